// Package s3test starts a real S3 server, and a proxy that loses what passes,
// for tests.
//
// The server is versitygw, which keeps objects as files; the proxy is
// toxiproxy. Both are pinned in internal/testtools, a module of their own, and
// are built into bin when a test needs them and they are not there, which takes
// a minute or two once. TAILRACE_VERSITYGW and TAILRACE_TOXIPROXY name other
// binaries.
package s3test
