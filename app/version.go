package app

import "runtime/debug"

// version is set when a release is built: -ldflags "-X …/app.version=1.2.3".
var version string

// Version is the release, or the revision that the binary was built from.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}

// documentVersion is what the OpenAPI document says: the release alone, so that the document does not change with each
// commit and tells nobody the revision that runs.
func documentVersion() string {
	if version != "" {
		return version
	}
	return "dev"
}
