// Package auth says what a request may do: credentials go in, grants come out. It
// knows no HTTP. Who is behind a credential is decided by the keys of a project
// (package project), which a Keyring holds; a Guard is what a server asks.
//
// # Credentials
//
//	kind       looks like                      is proven by
//	token      a compact JWS, three parts      a key of the project: HS256, EdDSA, RS256 or ES256
//	API key    "trk_" and 58 of a-z2-7         its SHA-256, which the project lists
//	URL token  a compact JWS with a typ of     the guard's own key; the guard made it for one
//	           its own                         stream, at the request of somebody who may read it
//
// A token or API key is no URL token, and the other way round: what is in a URL is
// copied, logged and shared, so it must be good for nothing else.
//
// # Order of the checks
//
//  1. What was verified before, under the same keys, is in the cache.
//  2. An address that failed too often is refused before any work is done for it.
//  3. The form: length, alphabet, header. Nothing here depends on a project.
//  4. The signature. A project, a key id or an algorithm that is not known is
//     verified too, against a decoy, so that the time does not tell what exists.
//  5. The claims, which are decoded only after that.
//
// Every reason to refuse but two is the same Refusal, and none of them says more.
package auth
