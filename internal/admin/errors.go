package admin

import "slices"

// code names why a request was refused, in the body of the answer.
type code string

const (
	codeNone               code = ""
	codeInvalidPath        code = "invalid_path"
	codeInvalidParameter   code = "invalid_parameter"
	codeDuplicateParameter code = "duplicate_parameter"
	codeInvalidCursor      code = "invalid_cursor"
	codeInvalidLimit       code = "invalid_limit"
	codeInvalidPrefix      code = "invalid_prefix"
	codePrefixRequired     code = "prefix_required"
	codeUnexpectedBody     code = "unexpected_body"
	codeUnknownHost        code = "unknown_host"
	codeCrossOrigin        code = "cross_origin"
	codeNoSuchRoute        code = "no_such_route"
	codeUnknownProject     code = "unknown_project"
	codeNotFound           code = "not_found"
	codeNoSuchJob          code = "no_such_job"
	codeMethodNotAllowed   code = "method_not_allowed"
	codeTooManyJobs        code = "too_many_jobs"
	codeInternal           code = "internal"
	codeOverloaded         code = "overloaded"
	codeShuttingDown       code = "shutting_down"
)

// CatalogueEntry is one code that an error response can carry.
type CatalogueEntry struct {
	Code       string // stable between versions
	Status     int
	Message    string // for people; may change, and may say more in a response
	RetryAfter string // seconds, or "" if waiting does not help
}

var catalogue = []CatalogueEntry{
	{string(codeInvalidPath), 400, "the path has an empty segment, a dot segment, an encoded slash or a control character, or is not UTF-8", ""},
	{string(codeInvalidParameter), 400, "a query parameter is not known here, is malformed, or contradicts another", ""},
	{string(codeDuplicateParameter), 400, "a query parameter is given more than once", ""},
	{string(codeInvalidCursor), 400, "the cursor is not one that was answered for this project and prefix", ""},
	{string(codeInvalidLimit), 400, "the limit is not a number from 1 to 1000", ""},
	{string(codeInvalidPrefix), 400, "no stream's name can begin with the prefix", ""},
	{string(codePrefixRequired), 400, "the prefix of what to delete is missing; for everything give an empty one, and all=true", ""},
	{string(codeUnexpectedBody), 400, "requests have no body here", ""},
	{string(codeUnknownHost), 403, "the Host is a name that this listener does not go by", ""},
	{string(codeCrossOrigin), 403, "a page of another origin may not do that", ""},
	{string(codeNoSuchRoute), 404, "there is nothing at this path", ""},
	{string(codeUnknownProject), 404, "there is no such project", ""},
	{string(codeNotFound), 404, "there is no such stream", ""},
	{string(codeNoSuchJob), 404, "there is no such job, or it ended too long ago", ""},
	{string(codeMethodNotAllowed), 405, "the path does not have that method", ""},
	{string(codeTooManyJobs), 429, "as many jobs are running as may", "5"},
	{string(codeInternal), 500, "the server has a fault of its own, which it has logged", ""},
	{string(codeOverloaded), 503, "too much is being written or read at the moment", "1"},
	{string(codeShuttingDown), 503, "the server is about to end, and begins nothing new", "1"},
}

// Catalogue lists every code that the interface answers with, in the order of
// their status.
func Catalogue() []CatalogueEntry { return slices.Clone(catalogue) }

func entryOf(c code) CatalogueEntry {
	i := slices.IndexFunc(catalogue, func(e CatalogueEntry) bool { return e.Code == string(c) })
	if i < 0 {
		panic("admin: no entry in the catalogue for " + string(c))
	}
	return catalogue[i]
}

type errorBody struct {
	Error struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	} `json:"error"`
}

// refuse answers with an error.
func (x *exchange) refuse(c code) {
	e := entryOf(c)
	if e.RetryAfter != "" {
		x.Header().Set("Retry-After", e.RetryAfter)
	}
	var body errorBody
	body.Error.Code, body.Error.Message, body.Error.RequestID = e.Code, e.Message, x.id
	x.code = c
	x.answer(e.Status, body)
}
