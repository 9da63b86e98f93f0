package admin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// exchange is a request and the answer to it. It is the http.ResponseWriter that
// the routes get.
type exchange struct {
	http.ResponseWriter
	req   *http.Request
	route *Route // nil until one matched
	id    string

	bound   bool   // only project is there for the client
	project string // that the request is about, or ""
	about   Project
	query   map[string]string

	status int // of the answer, 0 before
	code   code
}

func newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	return &exchange{ResponseWriter: w, req: r}
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// answer sends v as JSON, in one line.
func (x *exchange) answer(status int, v any) {
	x.Header().Set("Content-Type", "application/json")
	x.WriteHeader(status)
	to := json.NewEncoder(x)
	to.SetEscapeHTML(false) // names of streams may have any characters, and nobody takes this for HTML
	to.Encode(v)            // an error is of a client that is gone
}

// readQuery takes in the parameters that the route knows. Others are refused: a
// misspelt one would change what is listed, or deleted.
func (x *exchange) readQuery() code {
	values, err := url.ParseQuery(x.req.URL.RawQuery)
	if err != nil {
		return codeInvalidParameter
	}
	x.query = make(map[string]string, len(values))
	for name, all := range values {
		switch {
		case !slices.Contains(x.route.Parameters, name):
			return codeInvalidParameter
		case len(all) > 1:
			return codeDuplicateParameter
		}
		x.query[name] = all[0]
	}
	return codeNone
}
