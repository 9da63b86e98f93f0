package faultfs

import (
	"maps"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// siteLog counts calls and injected failures by call site.
type siteLog struct {
	seen, hit map[string]int
}

func (l *siteLog) saw(site string) {
	if l.seen == nil {
		l.seen = map[string]int{}
	}
	l.seen[site]++
}

func (l *siteLog) failed(site string) {
	if l.hit == nil {
		l.hit = map[string]int{}
	}
	l.hit[site]++
}

// Sites returns how often an injected failure hit each call site. A site is
// the kind of call, and the package, file and line that made it, such as
// "sync tailrace/wal/writer.go:88". Answers after a stop do not count.
func (f *FS) Sites() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sites.hit)
}

// Seen returns how often each call site was seen, failed or not, in the form
// of Sites.
func (f *FS) Seen() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sites.seen)
}

// stack is the part of a call stack that callSite looks at.
type stack [12]uintptr

type siteKey struct {
	kind  Kind
	stack stack
}

// resolved has the site of every stack seen: turning addresses into lines
// costs far more than the calls that are traced.
var resolved sync.Map // of siteKey to string

// callSite finds the innermost frame that is neither in a file system nor in
// a package of the standard library that only passes reads and writes on.
func callSite(kind Kind) string {
	key := siteKey{kind: kind}
	n := runtime.Callers(3, key.stack[:]) // without Callers, callSite and enter
	if site, ok := resolved.Load(key); ok {
		return site.(string)
	}
	site := string(kind) + " unknown"
	frames := runtime.CallersFrames(key.stack[:n])
	for {
		frame, more := frames.Next()
		if pkg := packageOf(frame.Function); pkg != "" && !passesOn(pkg) {
			site = string(kind) + " " + pkg + "/" + path.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
			break
		}
		if !more {
			break
		}
	}
	resolved.Store(key, site)
	return site
}

// packageOf cuts the package from the name of a function such as
// "tailrace/wal.(*Writer).Append".
func packageOf(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	dot := strings.IndexByte(function[slash:], '.')
	if dot < 0 {
		return ""
	}
	return function[:slash+dot]
}

func passesOn(pkg string) bool {
	switch pkg {
	case "io", "bufio", "bytes", "strings":
		return true
	}
	return strings.HasSuffix(pkg, "internal/vfs") ||
		strings.HasSuffix(pkg, "internal/vfs/faultfs") ||
		strings.HasSuffix(pkg, "internal/vfs/memfs")
}
