package muster_test

import (
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestNamedTests holds docs/tests.md to the tests: each name that it gives is one of the folder before it.
func TestNamedTests(t *testing.T) {
	text, err := os.ReadFile("docs/tests.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, folder := range tree(t) {
		for _, file := range folder.files {
			for _, declaration := range file.syntax.Decls {
				if function, ok := declaration.(*ast.FuncDecl); ok && file.isTest {
					there[strings.TrimPrefix(folder.name, "internal/")+": "+function.Name.Name] = true
				}
			}
		}
	}
	named := 0
	lists := regexp.MustCompile("([a-z/]+): (`(?:Test|Fuzz)\\w+`(?:, `(?:Test|Fuzz)\\w+`)*)")
	for _, list := range lists.FindAllStringSubmatch(string(text), -1) {
		for name := range strings.SplitSeq(list[2], ", ") {
			named++
			if name = strings.Trim(name, "`"); !there[list[1]+": "+name] {
				t.Errorf("docs/tests.md names %s of %s, which is not there", name, list[1])
			}
		}
	}
	if all := strings.Count(string(text), "`Test") + strings.Count(string(text), "`Fuzz"); named != all || named < 80 {
		t.Errorf("%d of %d names were looked up", named, all)
	}
}
