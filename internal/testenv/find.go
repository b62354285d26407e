package testenv

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// versionLimit bounds how long a program may take to say its version.
const versionLimit = 20 * time.Second

// postgresFolders are where packages keep the server binaries, which are often not in PATH.
var postgresFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// findPostgres gives the folder that holds initdb and postgres: PATH's first, else the highest version installed.
func findPostgres() (string, bool) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if dir := filepath.Dir(resolve(initdb)); holdsPostgres(dir) {
			return dir, true
		}
	}
	var found []string
	for _, pattern := range postgresFolders {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue // only a malformed pattern fails
		}
		found = append(found, slices.DeleteFunc(dirs, func(dir string) bool { return !holdsPostgres(dir) })...)
	}
	if len(found) == 0 {
		return "", false
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(major(a), major(b)) }), true
}

func holdsPostgres(dir string) bool {
	return executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres"))
}

// major reads the version out of a folder such as /usr/lib/postgresql/15/bin; 0 when there is none.
func major(dir string) int {
	digits := strings.TrimLeft(filepath.Base(filepath.Dir(dir)), "abcdefghijklmnopqrstuvwxyz@-")
	digits, _, _ = strings.Cut(digits, ".")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// findPgBouncer gives the path of pgbouncer, which Debian keeps where only root's PATH leads.
func findPgBouncer() (string, bool) { return lookAny("pgbouncer", "/usr/sbin/pgbouncer") }

// findRedis gives the path of redis-server, or of Valkey's, which is the same server for our purposes.
func findRedis() (string, bool) { return lookAny("redis-server", "valkey-server") }

// findCompiler gives the path of a C compiler, which Go's race detector links with.
func findCompiler() (string, bool) {
	if cc := os.Getenv("CC"); cc != "" {
		return lookAny(strings.Fields(cc)[0])
	}
	return lookAny("gcc", "clang", "cc")
}

// findStrace gives the path of strace.
func findStrace() (string, bool) { return lookAny("strace") }

// findNode gives the path of Node.js.
func findNode() (string, bool) { return lookAny("node", "nodejs") }

// findNPM gives the path of npm, where there is Node.js too.
func findNPM() (string, bool) {
	if _, ok := findNode(); !ok {
		return "", false
	}
	return lookAny("npm")
}

// browsers are tried in this order; the first that says its version is taken, since some are only pointers to a snap.
var browsers = []string{
	"chromium", "chromium-browser", "google-chrome-stable", "google-chrome",
	"/Applications/Chromium.app/Contents/MacOS/Chromium",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
}

// findBrowser gives the path of a Chromium that runs.
func findBrowser(ctx context.Context) (string, bool) {
	for _, name := range browsers {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if saysVersion(ctx, path) {
			return path, true
		}
	}
	return "", false
}

func saysVersion(ctx context.Context, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	return err == nil && len(out) > 0
}

func lookAny(names ...string) (string, bool) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// resolve follows symbolic links, since PATH may hold a link into the folder that has all of a server's binaries.
func resolve(path string) string {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return target
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
