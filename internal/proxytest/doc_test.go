// Package proxytest puts a real proxy in front of the real program and looks at
// what clients see through it, over TLS and HTTP/2: that requests and answers
// arrive as they are, that news is passed on when it comes, and that a reader who
// leaves is gone behind the proxy as well.
//
// The proxies run with the files of docs/front-ends, so what is documented is what
// is tested. They are not part of the project: without -proxy.caddy or -proxy.nginx
// there is nothing to do. "make test-proxy" gives them.
//
// The package has test files only: it is nothing to build upon.
package proxytest
