package config

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
)

// readNamed reads the files that settings and projects name, but for secrets,
// which are read with their project.
func (c *Config) readNamed() []error {
	var errs []error
	if c.TLSCert != "" && c.TLSKey != "" {
		if err := c.readPair(); err != nil {
			errs = append(errs, fmt.Errorf("%s, --tls-key: %w", c.label("tls-cert"), err))
		}
	}
	if c.MintKeyFile != "" {
		var err error
		if c.MintKey, err = readSecret(c.MintKeyFile); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.label("mint-key-file"), err))
		}
	}
	c.jwks = make(map[string][]byte)
	for i := range c.Projects {
		p := &c.Projects[i]
		if p.JWKSFile == "" {
			continue
		}
		text, err := readBounded(p.JWKSFile)
		if err == nil {
			err = judgeJWKS(text)
		}
		if err != nil {
			errs = append(errs, &fault{c.File, c.tables[p.Name].line, fmt.Errorf("project.%s.jwks-file: %s: %w", p.Name, p.JWKSFile, err)})
		}
		c.jwks[p.Name] = text
	}
	return errs
}

func (c *Config) readPair() error {
	cert, err := readBounded(c.TLSCert)
	if err != nil {
		return err
	}
	key, err := readBounded(c.TLSKey)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.Certificate = &pair
	return nil
}

// JWKS are the keys of a project, as its JWKSFile had them; nil = it has none.
func (c *Config) JWKS(project string) []byte { return c.jwks[project] }

// judgeJWKS tells a set of keys from something else. Which keys are good is known
// to those who verify with them.
func judgeJWKS(text []byte) error {
	var set struct {
		Keys []struct {
			Kty string `json:"kty"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	if len(set.Keys) == 0 {
		return errors.New("a JSON Web Key Set without keys")
	}
	for i, k := range set.Keys {
		switch k.Kty {
		case "":
			return fmt.Errorf("key %d has no kty", i)
		case "oct":
			return fmt.Errorf("key %d is a shared secret, which belongs into secrets", i)
		}
	}
	return nil
}
