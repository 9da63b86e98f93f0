package server

import (
	"maps"
	"slices"
	"strings"
)

// spot is a request target and what it means by the documented rules.
type spot struct {
	target string
	root   string // of the route; "" = none
	name   string // of the stream; of what is administered, for the whole project the project
	whole  bool   // it is about the whole project
	status int    // that is answered to everybody, 0 = it depends
	code   string
}

// trick is what may follow a root, and the name that it spells; or how it is
// refused, with 400 if nothing else is said.
type trick struct {
	sent, name string
	refused    string
}

var tricks = []trick{
	// What there is, and what there is not.
	{sent: "acme/there", name: "acme/there"},
	{sent: "acme/open", name: "acme/open"},
	{sent: "acme/gone", name: "acme/gone"},
	{sent: "acme/none", name: "acme/none"},
	{sent: "acme/thus", name: "acme/thus"},
	{sent: "acme", name: "acme"},
	{sent: "globex/there", name: "globex/there"},
	{sent: "globex/none", name: "globex/none"},
	{sent: "unknown/there", name: "unknown/there"},
	// Other spellings of it.
	{sent: "%61cme/there", name: "acme/there"},
	{sent: "acme/%74%68%65%72%65", name: "acme/there"},
	{sent: "%67lobex/there", name: "globex/there"},
	{sent: "acme/ope%6E", name: "acme/open"},
	// Names that only look like others.
	{sent: "ACME/there", name: "ACME/there"},
	{sent: "acme/There", name: "acme/There"},
	{sent: "acme;/there", name: "acme;/there"},
	{sent: "acme;x=y/there", name: "acme;x=y/there"},
	{sent: "acme/there;x", name: "acme/there;x"},
	{sent: "acme/open;/../there", refused: "invalid_path"},
	{sent: "acme\\there", name: "acme\\there"},
	{sent: "acme%5cthere", name: "acme\\there"},
	{sent: "acme/..\\globex/there", name: "acme/..\\globex/there"},
	{sent: "acme%252fthere", name: "acme%2fthere"},
	{sent: "acme/%252e%252e/globex/there", name: "acme/%2e%2e/globex/there"},
	{sent: "acme%20/there", name: "acme /there"},
	{sent: "acme+/there", name: "acme+/there"},
	{sent: "acme%3f/there", name: "acme?/there"},
	{sent: "acme/open%3f", name: "acme/open?"},
	{sent: "acme%23/there", name: "acme#/there"},
	{sent: "acme/there%26x=y", name: "acme/there&x=y"},
	{sent: "acme/there.", name: "acme/there."},
	{sent: "acme/.../there", name: "acme/.../there"},
	{sent: "acme/__ds/there", name: "acme/__ds/there"},
	{sent: "acme:80/there", name: "acme:80/there"},
	{sent: "user@acme/there", name: "user@acme/there"},
	{sent: "%d0%b0cme/there", name: "аcme/there"}, // Cyrillic
	{sent: "\xd0\xb0cme/there", name: "аcme/there"},
	{sent: "%ef%bd%81cme/there", name: "ａcme/there"},               // full width
	{sent: "acme%ef%bc%8fthere", name: "acme／there"},               // a full width slash
	{sent: "acme/%ef%bc%8e%ef%bc%8e/there", name: "acme/．．/there"}, // and full width dots
	{sent: "%e2%80%8bacme/there", name: "\u200bacme/there"},
	{sent: "acme%c2%a0/there", name: "acme\u00a0/there"},
	{sent: "acme/open%e2%80%ae", name: "acme/open\u202e"},
	// What has no meaning, or more than one.
	{sent: "acme/../globex/there", refused: "invalid_path"},
	{sent: "acme/%2e%2e/globex/there", refused: "invalid_path"},
	{sent: "acme/%2E%2E/globex/there", refused: "invalid_path"},
	{sent: "acme/.%2e/globex/there", refused: "invalid_path"},
	{sent: "acme/open/../there", refused: "invalid_path"},
	{sent: "acme/open/%2e%2e/there", refused: "invalid_path"},
	{sent: "../admin/projects/acme", refused: "invalid_path"},
	{sent: "./acme/there", refused: "invalid_path"},
	{sent: "acme/there/.", refused: "invalid_path"},
	{sent: "acme/there/..", refused: "invalid_path"},
	{sent: "", refused: "invalid_path"},
	{sent: "/acme/there", refused: "invalid_path"},
	{sent: "acme//there", refused: "invalid_path"},
	{sent: "acme/there/", refused: "invalid_path"},
	{sent: "acme%2fthere", refused: "invalid_path"},
	{sent: "acme%2Fthere", refused: "invalid_path"},
	{sent: "%2facme/there", refused: "invalid_path"},
	{sent: "acme/there%2f..%2fopen", refused: "invalid_path"},
	{sent: "acme/there#", refused: "invalid_path"},
	{sent: "acme/open#/../there", refused: "invalid_path"},
	{sent: "acme/there%00", refused: "invalid_path"},
	{sent: "acme%00/there", refused: "invalid_path"},
	{sent: "acme/there%0d%0aX-Y:%20z", refused: "invalid_path"},
	{sent: "acme/there%09", refused: "invalid_path"},
	{sent: "acme/there%7f", refused: "invalid_path"},
	{sent: "acme/there%c2%85", refused: "invalid_path"},
	{sent: "acme/%c0%ae%c0%ae/there", refused: "invalid_path"}, // overlong
	{sent: "acme%c0%afthere", refused: "invalid_path"},
	{sent: "acme%e0%80%afthere", refused: "invalid_path"},
	{sent: "acme/%ed%a0%80", refused: "invalid_path"},
	{sent: "acme/%f5%80%80%80", refused: "invalid_path"},
	{sent: "acme/\xff", refused: "invalid_path"},
	{sent: "acme/there%", refused: "invalid_path"},
	{sent: "acme/there%2", refused: "invalid_path"},
	{sent: "acme/%u002e%u002e/there", refused: "invalid_path"},
	{sent: "acme/%zz", refused: "invalid_path"},
	{sent: "acme/" + strings.Repeat("n", nameBytesMax), refused: "invalid_path"},
	{sent: "__ds/there", refused: "reserved"},
	{sent: "%5f%5fds/there", refused: "reserved"},
	{sent: "__d%73", refused: "reserved"},
}

// approaches are what may stand before or instead of the begin of a root, which is
// the path with a slash at either end; %s is what is in between.
var approaches = []struct {
	sent    string
	refused string // "" = it leads there
}{
	{sent: "http://x/%s/"},
	{sent: "HTTPS://acme:x@globex:99/%s/"},
	{sent: "http:///%s/"},
	{sent: "/v1%%2f%s/", refused: "invalid_path"},
	{sent: "//%s/", refused: "no_such_route"},
	{sent: "//x/%s/", refused: "no_such_route"},
	{sent: "/./%s/", refused: "no_such_route"},
	{sent: "/../%s/", refused: "no_such_route"},
	{sent: "/%%2e%%2e/%s/", refused: "no_such_route"},
	{sent: "/x/../%s/", refused: "no_such_route"},
	{sent: "/%s;x/", refused: "no_such_route"},
	{sent: "/%s/../%[1]s/", refused: "invalid_path"},
	{sent: "\\%s\\", refused: "malformed"},
	{sent: "%s/", refused: "malformed"},
	{sent: "http:/%s/", refused: "malformed"},
	{sent: "://x?/%s/", refused: "malformed"},
	{sent: "http://x?/%s/", refused: "no_such_route"},
	{sent: "http://x#/%s/", refused: "invalid_path"},
}

// accessRoots are where the tricks are tried. What is administered is one stream or
// the whole project.
var accessRoots = []struct {
	path, root string
	whole      bool
}{
	{path: "/v1/stream/", root: "/v1/stream/"},
	{path: "/v1/token/", root: "/v1/token/"},
	{path: "/v1/admin/streams/", root: "/v1/admin/"},
	{path: "/v1/admin/projects/", root: "/v1/admin/", whole: true},
}

// lostPaths lead nowhere, whoever asks. Some are malformed only if a query follows.
var lostPaths = map[string]string{
	"/": "no_such_route", "/v1": "no_such_route", "/v1/": "no_such_route", "/v1/stream": "no_such_route", "/v1/token": "no_such_route",
	"/v1/admin": "no_such_route", "/V1/STREAM/acme/there": "no_such_route", "/v1/Stream/acme/there": "no_such_route",
	"/v1/streams/acme/there": "no_such_route", "/v2/stream/acme/there": "no_such_route", "/v1/stream\\acme/there": "no_such_route",
	"/metrics": "no_such_route", "/health/ready": "no_such_route", "/debug/pprof/": "no_such_route",
	"/v1/admin/": "invalid_path", "/v1/admin/projects/": "invalid_path", "/v1/admin//projects": "invalid_path", "*": "malformed",
	"/v1/stream/../admin/status": "invalid_path", "/v1/admin/../stream/acme/there": "invalid_path", "/v1/admin/__ds/acme": "reserved",
	"/v1/admin/%2e%2e/stream/acme/there": "invalid_path", "acme/there": "malformed", "x:80": "malformed",
}

// keptPaths of the administration are there for operators only.
var keptPaths = []string{"/v1/admin/status", "/v1/admin/drain", "/v1/admin/projects", "/v1/admin/streams", "/v1/admin/Projects/acme", "/v1/admin/project%73", "/v1/admin/projects;/acme"}

func refusedSpot(target, code string) spot {
	status := 404
	if code == "invalid_path" || code == "malformed" {
		status = 400
	}
	return spot{target: target, status: status, code: code}
}

// accessSpots are all tricks at all roots.
func accessSpots() []spot {
	var all []spot
	for _, target := range slices.Sorted(maps.Keys(lostPaths)) {
		all = append(all, refusedSpot(target, lostPaths[target]))
	}
	for _, target := range keptPaths {
		all = append(all, spot{target: target, root: "/v1/admin/"})
	}
	for _, at := range accessRoots {
		for _, k := range tricks {
			s := spot{target: at.path + k.sent, root: at.root, name: k.name, whole: at.whole}
			switch {
			case k.refused == "reserved" && at.root == "/v1/admin/":
				s.name = "__ds/there" // there it is no first segment, and nobody's project
			case k.refused != "":
				s = refusedSpot(s.target, k.refused)
				if k.refused == "reserved" {
					s.root = at.root
				}
			}
			all = append(all, s)
		}
		inside := strings.Trim(at.path, "/")
		for _, a := range approaches {
			target := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(a.sent, "%[1]s", inside), "%s", inside), "%%", "%") + "acme/there"
			if at.root == "/v1/admin/" && a.sent == "/%s;x/" {
				all = append(all, spot{target: target, root: at.root})
				continue
			}
			if a.refused != "" {
				all = append(all, refusedSpot(target, a.refused))
				continue
			}
			all = append(all, spot{target: target, root: at.root, name: "acme/there", whole: at.whole})
		}
		for i := range len(inside) {
			if inside[i] != '/' && i%3 == 0 {
				const hex = "0123456789abcdef"
				target := "/" + inside[:i] + "%" + string(hex[inside[i]>>4]) + string(hex[inside[i]&15]) + inside[i+1:] + "/acme/there"
				all = append(all, spot{target: target, root: at.root, name: "acme/there", whole: at.whole})
			}
		}
	}
	return all
}
