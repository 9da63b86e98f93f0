package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"tailrace/internal/client"
)

// serverDefault is where serve listens by default.
const serverDefault = "http://127.0.0.1:4437"

// Variables of the client commands. To serve they mean nothing, but are no
// mistake either, since both are used from one shell.
const (
	serverVariable = "TAILRACE_SERVER"
	tokenVariable  = "TAILRACE_TOKEN"
)

// reachFlags are those of every command that asks a server.
func (s *session) reachFlags(patience time.Duration) {
	f := s.flags
	f.StringVar(&s.server, "server", "", "where the server is: http://host:port, https://host or unix:/path of a socket (default "+serverDefault+", or "+serverVariable+")")
	f.StringVar(&s.tokenFile, "token-file", "", "file with the token or API key to send; without it, that in "+tokenVariable)
	f.StringVar(&s.caFile, "ca-file", "", "PEM file of the certificates to trust instead of those of the system")
	f.DurationVar(&s.patience, "retry-for", patience, "for how long a request is repeated that fails for now; 0 means not at all")
	s.jsonFlag()
}

// variable is the value of a variable, or "".
func (s *session) variable(name string) string {
	for _, pair := range slices.Backward(s.env) {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// connect makes the client for the server that the flags name, or for that of a
// URL. Nothing is sent yet.
func (s *session) connect(urlServer string) (*client.Client, error) {
	server := s.server
	switch {
	case urlServer != "" && server != "":
		return nil, usageError{errors.New("--server does not go with a URL")}
	case urlServer != "":
		server = urlServer
	case server == "":
		server = s.variable(serverVariable)
	}
	if server == "" {
		server = serverDefault
	}
	o := client.Options{Server: server, Patience: s.patience, Again: s.again, Sleep: s.sleep}
	if s.patience <= 0 {
		o.Patience = -1
	}
	var err error
	if o.Token, err = s.token(); err != nil {
		return nil, usageError{err}
	}
	if o.RootCAs, err = s.roots(); err != nil {
		return nil, usageError{err}
	}
	c, err := client.New(o)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// again tells of trouble that lasts: what passes by itself is nobody's business.
func (s *session) again(err error, failed int) {
	if failed == 3 && !s.json {
		fmt.Fprintf(s.stderr, "tailrace: %v; trying again for up to %v\n", err, s.patience)
	}
}

// stream makes the client for the stream that an argument names.
func (s *session) stream(arg string) (*client.Client, string, error) {
	server, name := "", arg
	if client.IsURL(arg) {
		var err error
		if server, name, err = client.SplitURL(arg); err != nil {
			return nil, "", usageError{err}
		}
	}
	if name == "" {
		return nil, "", usageError{errors.New("the name of a stream is not empty")}
	}
	c, err := s.connect(server)
	return c, name, err
}

// secretBytesMax bounds files that hold a credential. A larger one is another
// file.
const secretBytesMax = 16 << 10

// token is the credential. It is not taken from the command line, which every user
// of the machine can see.
func (s *session) token() (string, error) {
	text, from := s.variable(tokenVariable), tokenVariable
	if s.tokenFile != "" {
		b, err := readSmall(s.tokenFile)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		text, from = string(b), "--token-file"
		if strings.TrimSpace(text) == "" {
			return "", fmt.Errorf("--token-file: %s is empty", s.tokenFile)
		}
	}
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("%s: not a token or API key", from)
	}
	return text, nil
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, secretBytesMax+1))
	if err == nil && len(b) > secretBytesMax {
		err = fmt.Errorf("%s has more than %d bytes", name, secretBytesMax)
	}
	return b, err
}

func (s *session) roots() (*x509.CertPool, error) {
	if s.caFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(s.caFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("--ca-file: %s has no certificate in PEM", s.caFile)
	}
	return pool, nil
}
