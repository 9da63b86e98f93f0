// Package admin is the interface for those who operate a server: what streams and
// projects there are, what they take, deleting by prefix, health, metrics and
// profiles. It is HTTP with JSON over net/http, for few and careful clients; streams
// themselves are served by package server.
//
// There are two ways in. API.Handler is everything, for a listener that only
// operators reach: it asks for no credentials. API.ProjectHandler is what belongs to
// one project, for whoever may manage that one; it answers about anything else as if
// it did not exist. Whoever mounts it has checked the credentials.
//
// Every route stands in one table, with its policy. What is not in the table is
// answered 404. See docs/admin.md for what clients see.
package admin
