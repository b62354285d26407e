// Package scalar holds the script that renders the API documentation in a browser, exactly as its authors published it and
// compressed. README.md says where it comes from; the generate command fetches and checks it.
package scalar

import _ "embed"

// What the script is. To take another version, change these and run the generate command with -fetch.
const (
	Package       = "@scalar/api-reference"
	Version       = "1.72.1"
	TarballSHA256 = "b86884e6251eed57234f1a62732a5e6303700a5b4d159192a5a5dd003b854378" // of the npm tarball
	ScriptPath    = "package/dist/browser/standalone.js"                               // inside the tarball
	ScriptSHA256  = "bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c" // of the script, not compressed
	ScriptSize    = 4353277                                                            // bytes, not compressed
)

// ScriptGzip is the script, gzipped: about 1.2 MiB. It is a string so that it stays in the binary's read-only pages.
//
//go:embed standalone.js.gz
var ScriptGzip string
