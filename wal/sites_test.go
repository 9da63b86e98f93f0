package wal

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// checkSites reads the package's source for calls of the file seam, so that a
// new call that no scenario reaches does not go unnoticed.
func checkSites(t *testing.T, hit map[string]int) {
	t.Helper()
	methods := []string{"Create", "Open", "Rename", "Remove", "MkdirAll", "ReadDir", "SyncDir", "Lock",
		"ReadAt", "WriteAt", "Size", "Truncate", "Allocate", "Sync", "SyncData", "Linked"}
	// In this package, a variable or field of these names is of the file seam.
	receivers := []string{"fs", "FS", "file", "from"}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(methods, sel.Sel.Name) || !slices.Contains(receivers, lastName(sel.X)) {
				return true
			}
			found++
			at := set.Position(sel.Sel.Pos())
			suffix := fmt.Sprintf("/wal/%s:%d", at.Filename, at.Line)
			for site := range hit {
				if strings.HasSuffix(site, suffix) {
					return true
				}
			}
			t.Errorf("%s:%d: %s never failed", at.Filename, at.Line, sel.Sel.Name)
			return true
		})
	}
	if found < 30 {
		t.Errorf("found %d calls only: the search is broken", found)
	}
	t.Logf("%d calls of the file seam, each failed at least once", found)
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
