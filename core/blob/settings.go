package blob

import (
	"time"

	"github.com/gatehouse/gatehouse/core/secret"
)

// Settings are the settings under "blob".
type Settings struct {
	URL     secret.String `conf:"url" default:"" doc:"where pictures are kept: file:<folder>; azblob://[account:key@]container with ?account= or ?endpoint=; s3://[key:secret@]bucket with ?region=, ?endpoint= and ?path_style=true; without a key the machine's own identity is used; empty means file:<data_dir>/blobs, which all instances must share"`
	Timeout time.Duration `conf:"timeout" default:"5s" doc:"longest wait for the store of pictures"`
}

// Check reports what the settings may not be. No report holds the URL.
func (s Settings) Check(report func(field, fault string)) {
	if _, err := parseURL(s.URL, "."); err != nil {
		report("url", err.Error())
	}
	if s.Timeout < 100*time.Millisecond || s.Timeout > 30*time.Second {
		report("timeout", "must be between 100ms and 30s")
	}
}

// Target is where files are kept, for people: no part of it is secret.
type Target struct {
	Folder string // empty for a service
	Name   string // such as "S3 bucket avatars"
	// PlainText says that files, and the account's requests, leave this machine unencrypted.
	PlainText bool
}

// Target says where files are kept. Settings that Check has found faulty give the zero Target.
func (s Settings) Target(dataDir string) Target {
	at, err := parseURL(s.URL, dataDir)
	switch {
	case err != nil:
		return Target{}
	case at.kind == kindFolder:
		return Target{Folder: at.folder}
	case at.kind == kindAzure:
		return Target{Name: "Azure container " + at.bucket, PlainText: at.plainText()}
	}
	return Target{Name: "S3 bucket " + at.bucket, PlainText: at.plainText()}
}
