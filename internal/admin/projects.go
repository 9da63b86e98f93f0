package admin

import "net/http"

// listProjects answers with all projects.
func (a *API) listProjects(x *exchange) {
	list := a.opts.Store.Projects()
	if list == nil {
		list = []Project{}
	}
	x.answer(http.StatusOK, struct {
		Projects []Project `json:"projects"`
	}{list})
}

// showProject answers with what one takes.
func (a *API) showProject(x *exchange) {
	x.answer(http.StatusOK, struct {
		Project Project `json:"project"`
	}{x.about})
}
