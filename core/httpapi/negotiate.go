package httpapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"strconv"
	"strings"
	"sync"
)

// compressFrom is the size below which compressing costs more than it saves.
const compressFrom = 1400

var gzips = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
	return z
}}

// compress writes content to buf, which never fails.
func compress(buf *bytes.Buffer, content []byte) {
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(buf)
	_, _ = z.Write(content)
	_ = z.Close()
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3). Without the header nothing is compressed.
func acceptsGzip(lines []string) bool {
	others := false
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(part, ";")
			switch coding = strings.Trim(coding, " \t"); {
			case strings.EqualFold(coding, "gzip"):
				return wanted(params)
			case coding == "*":
				others = wanted(params)
			}
		}
	}
	return others
}

// wanted says whether a weight, such as " q=0.5", is none or above zero.
func wanted(params string) bool {
	name, value, _ := strings.Cut(params, "=")
	if !strings.EqualFold(strings.Trim(name, " \t"), "q") {
		return true
	}
	q, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
	return err == nil && q > 0
}

// matchesTag says whether If-None-Match holds the tag, compared weakly (RFC 9110 sections 8.8.3 and 13.1.2).
func matchesTag(lines []string, tag string) bool {
	opaque := strings.TrimPrefix(tag, "W/")
	for _, line := range lines {
		rest := strings.Trim(line, " \t")
		if rest == "*" {
			return true
		}
		for rest != "" {
			rest = strings.TrimPrefix(strings.TrimLeft(rest, ", \t"), "W/")
			if !strings.HasPrefix(rest, `"`) {
				break
			}
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				break
			}
			if rest[:end+2] == opaque {
				return true
			}
			rest = rest[end+2:]
		}
	}
	return false
}

func weak(tag string) string {
	if strings.HasPrefix(tag, "W/") {
		return tag
	}
	return "W/" + tag
}
