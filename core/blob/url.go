package blob

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/gatehouse/gatehouse/core/secret"
)

type kind int

const (
	kindFolder kind = iota
	kindAzure
	kindS3
)

// place is what blob.url says.
type place struct {
	kind           kind
	folder         string
	bucket, prefix string
	account        string // Azure's account, or the id of S3's key; empty uses the machine's own identity
	key            secret.String
	endpoint       string // URL of a service that is not the cloud's own
	region         string
	pathStyle      bool
}

// The faults of a URL. They name what is wrong and never quote it, since it holds a key.
var (
	errURLSyntax   = errors.New("is not a valid URL")
	errURLScheme   = errors.New("must begin with file:, azblob:// or s3://")
	errURLFolder   = errors.New("must name a folder after file:, such as file:./blobs")
	errURLBucket   = errors.New("must name a container or bucket, such as s3://avatars")
	errURLKey      = errors.New("must hold both account and key, or neither")
	errURLQuery    = errors.New("takes ?account= and ?endpoint= after azblob://, and ?region=, ?endpoint= and ?path_style=true after s3://")
	errURLEndpoint = errors.New("has an endpoint that is no http:// or https:// URL")
	errURLAccount  = errors.New("must name the account, as azblob://account:key@container or with ?account= or ?endpoint=")
	errURLAzureKey = errors.New("has a key that is not base64")
	errURLRegion   = errors.New("must name the region, such as ?region=eu-central-1")
)

// parseURL reads file:<folder>, azblob://… and s3://…; the empty URL is the folder blobs in the data folder.
func parseURL(raw secret.String, dataDir string) (place, error) {
	text := raw.Reveal()
	if text == "" {
		return place{folder: filepath.Join(dataDir, "blobs")}, nil
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		if path = strings.TrimPrefix(path, "//"); path == "" || strings.ContainsRune(path, 0) {
			return place{}, errURLFolder
		}
		return place{folder: filepath.Clean(path)}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return place{}, errURLSyntax
	}
	p := place{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	switch u.Scheme {
	case "azblob":
		p.kind = kindAzure
	case "s3":
		p.kind = kindS3
	default:
		return place{}, errURLScheme
	}
	if p.bucket == "" || u.Port() != "" || u.Fragment != "" {
		return place{}, errURLBucket
	}
	if p.prefix != "" {
		p.prefix += "/"
	}
	if u.User != nil {
		key, _ := u.User.Password()
		p.account, p.key = u.User.Username(), secret.New(key)
		if p.account == "" || p.key.IsZero() {
			return place{}, errURLKey
		}
	}
	err = p.query(u.RawQuery)
	return p, err
}

func (p *place) query(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return errURLQuery
	}
	for name, given := range values {
		if len(given) != 1 || given[0] == "" {
			return errURLQuery
		}
		switch value := given[0]; {
		case name == "endpoint":
			p.endpoint = strings.TrimSuffix(value, "/")
		case name == "account" && p.kind == kindAzure && p.account == "":
			p.account = value
		case name == "region" && p.kind == kindS3:
			p.region = value
		case name == "path_style" && p.kind == kindS3 && value == "true":
			p.pathStyle = true
		default:
			return errURLQuery
		}
	}
	if p.endpoint != "" {
		u, err := url.Parse(p.endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errURLEndpoint
		}
	}
	switch {
	case p.kind == kindAzure && p.account == "" && p.endpoint == "":
		return errURLAccount
	case p.kind == kindS3 && p.region == "":
		return errURLRegion
	}
	return nil
}

// plainText says whether the service is on another machine and not spoken to over TLS.
func (p *place) plainText() bool {
	u, err := url.Parse(p.endpoint)
	if err != nil || u.Scheme != "http" || strings.EqualFold(u.Hostname(), "localhost") {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err != nil || !addr.Unmap().IsLoopback()
}
