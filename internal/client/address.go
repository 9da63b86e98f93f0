package client

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// streamRoot is under which path streams are.
const streamRoot = "/v1/stream/"

// address is where a server is.
type address struct {
	socket string // path of a unix socket, or ""
	root   string // what comes before /v1/…, without a slash at its end
}

// local reports whether the server is on this machine.
func (a address) local() bool {
	u, err := url.Parse(a.root)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

var errServer = errors.New("want http://host:port, https://host or unix:/path")

func parseServer(text string) (address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return address{}, fmt.Errorf("server %q: %w", text, errServer)
		}
		return address{socket: "/" + strings.TrimLeft(path, "/"), root: "http://localhost"}, nil
	}
	u, err := parseURL(text)
	if err != nil {
		return address{}, err
	}
	return address{root: strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/")}, nil
}

// parseURL reads the URL of a server or stream. What it could not tell apart from
// that in a log, it refuses.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errServer, errors.Unwrap(err)) // the text may have a credential
	case u.User != nil:
		return nil, errors.New("a URL with a user or password is shown to everybody by ps: use a token file")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fmt.Errorf("server %q: %w", text, errServer)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the URL of a server or stream has no query and no fragment")
	}
	return u, nil
}

// IsURL reports whether a text is meant as a URL rather than as a stream's name.
func IsURL(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

// SplitURL takes the URL of a stream apart, into its server and its name.
func SplitURL(text string) (server, name string, err error) {
	u, err := parseURL(text)
	if err != nil {
		return "", "", err
	}
	before, escaped, found := strings.Cut(u.EscapedPath(), streamRoot)
	if !found || escaped == "" {
		return "", "", fmt.Errorf("%s is no stream: want a path like %sname", text, streamRoot)
	}
	if name, err = url.PathUnescape(escaped); err != nil {
		return "", "", err
	}
	return u.Scheme + "://" + u.Host + before, name, nil
}

// streamPath is the path of a stream. The server judges the name.
func streamPath(name string) string { return streamRoot + escapeName(name) }

// escapeName keeps the slashes of a name and encodes the rest.
func escapeName(name string) string {
	segments := strings.Split(name, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}
