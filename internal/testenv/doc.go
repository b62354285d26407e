// Package testenv owns the real servers that tests stand on: a private PostgreSQL, PgBouncer, Redis and Azurite, and the
// browser. Each server has its own port, password and temporary folder, never touches one that happens to run, and is gone
// when the process that asked for it is: by Stop, and when that process is killed, by a watcher that outlives it.
//
// Two ways in. The command internal/testenv/cmd/testenv starts what a test run shares, says where it is in
// TEST_POSTGRES_URL, TEST_PGBOUNCER_URL, TEST_REDIS_URL, TEST_AZURITE_URL and TEST_CHROMIUM, and runs a command. Tests that
// break servers start their own with StartPostgres and StartRedis.
//
// A server comes from the binaries that are installed, Azurite from npm's packages in the user's cache, else from Docker, but
// for PgBouncer: a container does not reach a PostgreSQL outside of it. Only the command installs anything. The package runs
// on Unix.
package testenv
