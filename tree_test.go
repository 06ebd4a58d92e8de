package muster_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path in go.mod; the folders of the table are relative to it.
const module = "muster"

// Budgets for Go that people wrote. They are limits, not aims: most files and functions are far below.
const (
	maxFileLines     = 800
	maxFunctionLines = 100
	maxPackageFiles  = 20
)

// packageFiles are budgets of packages with a reason for one of their own.
var packageFiles = map[string]int{
	"internal/store": 40, // docs/decisions/0007: one store package for both databases, the message log in it
}

// layer is what the packages of one row may import beside each other. A pattern is a folder, or a folder and all below it ("bus/..."),
// or "..." for every folder; "." is the vocabulary.
type layer struct {
	imports []string // folders that its code may import
	tests   []string // folders that its tests may import as well
	pure    bool     // its code imports nothing of networks, databases and wire formats
}

// world is what pure packages may not import. Their tests may: they run on the real thing.
var world = []string{
	"net/http", "database/sql", "google.golang.org/protobuf", "connectrpc.com", "github.com/nats-io", "zombiezen.com",
	"modernc.org", "github.com/jackc/pgx", "github.com/gobwas", "github.com/coder/websocket", "github.com/livekit",
}

// everything lets tests import whatever they need, because they run on the real parts instead of mocks.
var everything = []string{"..."}

// domain are the packages that decide; adapters translate between them and the world.
var domain = []string{".", "internal/account", "internal/channel", "internal/group", "internal/enrol", "internal/roster"}

// layers is the dependency rule:
//
//	vocabulary <- domain (account, channel, group <- enrol) <- adapters <- app <- cli <- cmd
//
// Adapters never import adapters, domain packages never import each other: enrol sees channels and groups through
// interfaces that it declares. The most specific row applies to a folder; a folder without a row fails the test, so that
// a new one is a decision.
var layers = map[string]layer{
	".": {pure: true},

	"internal/account": {imports: []string{"."}, tests: everything, pure: true},
	"internal/channel": {imports: []string{"."}, tests: everything, pure: true},
	"internal/group":   {imports: []string{"."}, tests: everything, pure: true},
	"internal/enrol":   {imports: []string{"."}, tests: everything, pure: true},
	"internal/roster":  {imports: []string{"."}, tests: everything, pure: true},

	"internal/clock":       {imports: []string{"."}},
	"internal/config":      {imports: []string{"."}},
	"internal/journal":     {imports: []string{"."}},
	"internal/store/...":   {imports: slices.Concat(domain, []string{"internal/journal", "gen/muster/store/..."}), tests: everything},
	"internal/bus/...":     {imports: domain, tests: everything},
	"internal/wire":        {imports: slices.Concat(domain, []string{"gen/..."}), tests: everything},
	"internal/gateway/...": {imports: slices.Concat(domain, []string{"internal/wire", "gen/..."}), tests: everything},
	"internal/api":         {imports: slices.Concat(domain, []string{"internal/wire", "gen/..."}), tests: everything},
	"internal/web":         {tests: everything},
	"internal/client":      {imports: slices.Concat(domain, []string{"internal/wire", "gen/..."}), tests: everything},

	"internal/app": {
		imports: slices.Concat(domain, []string{
			"internal/clock", "internal/config", "internal/journal", "internal/store/...", "internal/bus/...", "internal/wire",
			"internal/gateway/...", "internal/api", "internal/web", "gen/...",
		}),
		tests: everything,
	},
	"internal/cli/...": {
		imports: []string{
			".", "internal/app", "internal/client", "internal/clock", "internal/config", "internal/journal", "internal/roster", "internal/store", "internal/wire", "gen/...",
		},
		tests: everything,
	},
	"cmd/muster": {imports: []string{"internal/cli"}, tests: everything},

	// Programs and suites that measure or break the others, and what only tests use.
	"cmd/muster-bench":              {imports: everything},
	"cmd/muster-load":               {imports: everything},
	"internal/bench/...":            {imports: everything, tests: everything},
	"internal/load/...":             {imports: everything, tests: everything},
	"internal/fault/...":            {imports: everything, tests: everything},
	"internal/pgtest":               {},
	"internal/pgtest/with-postgres": {imports: []string{"internal/pgtest"}},
	"gen/...":                       {imports: []string{"gen/..."}},
}

// testOnly are the folders that no code of the product imports, whatever its row says.
var testOnly = []string{"internal/pgtest/...", "internal/fault/...", "internal/bus/bustest"}

// TestDependencies holds every import inside the module, and the domain's imports of the world, against the table.
func TestDependencies(t *testing.T) {
	for _, folder := range tree(t) {
		row, pattern, ok := layerOf(folder.name)
		if !ok {
			t.Errorf("%s: no row in the table of layers says what this folder may import", folder.name)
			continue
		}
		for _, file := range folder.files {
			for _, imported := range file.imports() {
				inside, isInside := inModule(imported)
				switch {
				case isInside && !matches(pattern, inside) && !row.allows(inside, file.isTest):
					t.Errorf("%s: %s may not import %s", file.name, folder.name, imported)
				case isInside && !file.isTest && matchesAny(testOnly, inside) && !matchesAny(testOnly, folder.name):
					t.Errorf("%s: %s is for tests only", file.name, imported)
				case row.pure && !file.isTest && under(world, imported):
					t.Errorf("%s: %s keeps away from the world and may not import %s", file.name, folder.name, imported)
				}
			}
		}
	}
}

// TestBudgets holds the sizes that keep the code readable.
func TestBudgets(t *testing.T) {
	for _, folder := range tree(t) {
		written := 0
		for _, file := range folder.files {
			if file.isTest || file.isGenerated() {
				continue
			}
			written++
			if lines := file.lines(file.syntax.FileStart, file.syntax.FileEnd) - 1; lines > maxFileLines {
				t.Errorf("%s: %d lines, the budget is %d", file.name, lines, maxFileLines)
			}
			for _, declaration := range file.syntax.Decls {
				function, ok := declaration.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if lines := file.lines(function.Pos(), function.End()); lines > maxFunctionLines {
					t.Errorf("%s: %s has %d lines, the budget is %d", file.at(function), function.Name.Name, lines, maxFunctionLines)
				}
			}
		}
		budget := maxPackageFiles
		if own, ok := packageFiles[folder.name]; ok {
			budget = own
		}
		if written > budget {
			t.Errorf("%s: %d files, the budget is %d", folder.name, written, budget)
		}
	}
}

// TestComments asks for a comment on every package and on every exported name.
func TestComments(t *testing.T) {
	for _, folder := range tree(t) {
		hasDoc, onlyTests := false, true
		for _, file := range folder.files {
			onlyTests = onlyTests && file.isTest
		}
		for _, file := range folder.files {
			hasDoc = hasDoc || file.isGenerated() || (file.syntax.Doc != nil && (onlyTests || !file.isTest))
			if file.isTest || file.isGenerated() {
				continue
			}
			for _, declaration := range file.syntax.Decls {
				for _, name := range uncommented(declaration) {
					t.Errorf("%s: exported %s has no comment", file.at(name), name.Name)
				}
			}
		}
		if !hasDoc {
			t.Errorf("%s: no file has a package comment", folder.name)
		}
	}
}

// TestGeneratorsMatchLibraries holds the generators in tools/gen to the versions of the libraries that the generated code
// is compiled with.
func TestGeneratorsMatchLibraries(t *testing.T) {
	program, tools := requirements(t, "go.mod"), requirements(t, "tools/gen/go.mod")
	for _, library := range []string{"google.golang.org/protobuf", "connectrpc.com/connect"} {
		if program[library] == "" || program[library] != tools[library] {
			t.Errorf("%s is %q in go.mod, and %q in tools/gen/go.mod", library, program[library], tools[library])
		}
	}
}

// TestSoak holds the list of packages in the Makefile: each that has a long form is in it, so that none is left out of
// `make soak` in silence.
func TestSoak(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(makefile), "\nSOAK_PACKAGES ?= ")
	line, _, _ := strings.Cut(rest, "\n")
	listed := strings.Fields(line)
	for _, folder := range tree(t) {
		isLong := slices.ContainsFunc(folder.files, func(f goFile) bool { return f.isTest && folder.name != "." && asksForSoak(t, f.name) })
		if isListed := slices.Contains(listed, "./"+folder.name); isLong != isListed {
			t.Errorf("%s: tests with a long form: %t, in SOAK_PACKAGES: %t", folder.name, isLong, isListed)
		}
	}
}

// asksForSoak reports whether a file has something that is longer in the long form.
func asksForSoak(t *testing.T, name string) bool {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc([]string{"fault.Long(", "fault.Soak(", `"MUSTER_SOAK"`}, func(use string) bool { return strings.Contains(string(text), use) })
}

// TestPatterns holds the language of the table itself.
func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, folder string
		want            bool
	}{
		{".", ".", true},
		{".", "internal/bus", false},
		{"...", ".", true},
		{"...", "internal/bus", true},
		{"internal/bus", "internal/bus", true},
		{"internal/bus", "internal/bus/nats", false},
		{"internal/bus/...", "internal/bus", true},
		{"internal/bus/...", "internal/bus/nats", true},
		{"internal/bus/...", "internal/busy", false},
	} {
		if got := matches(test.pattern, test.folder); got != test.want {
			t.Errorf("pattern %s and folder %s: %t", test.pattern, test.folder, got)
		}
	}
}

// allows reports whether a file of the row may import the folder inside the module. Every test may use the vocabulary.
func (l layer) allows(folder string, isTest bool) bool {
	return matchesAny(l.imports, folder) || (isTest && (folder == "." || matchesAny(l.tests, folder)))
}

// layerOf returns the row whose pattern fits the folder with the most letters.
func layerOf(folder string) (row layer, pattern string, ok bool) {
	for candidate, itsRow := range layers {
		if matches(candidate, folder) && len(candidate) > len(pattern) {
			row, pattern, ok = itsRow, candidate, true
		}
	}
	return row, pattern, ok
}

func matches(pattern, folder string) bool {
	prefix, subtree := strings.CutSuffix(pattern, "...")
	return pattern == folder || (subtree && strings.HasPrefix(folder+"/", prefix))
}

func matchesAny(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, folder) })
}

// under reports whether the import path is one of the roots or below one.
func under(roots []string, imported string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return imported == root || strings.HasPrefix(imported, root+"/")
	})
}

// inModule returns the folder of an import path inside the module.
func inModule(imported string) (folder string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// uncommented returns the exported names of a declaration that nothing explains. A comment on a group of constants or
// variables covers the group; a method counts when its receiver's type is exported.
func uncommented(declaration ast.Decl) (names []*ast.Ident) {
	switch declaration := declaration.(type) {
	case *ast.FuncDecl:
		if declaration.Doc == nil && declaration.Name.IsExported() && ast.IsExported(receiver(declaration)) {
			names = append(names, declaration.Name)
		}
	case *ast.GenDecl:
		for _, spec := range declaration.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if declaration.Doc == nil && spec.Doc == nil && spec.Name.IsExported() {
					names = append(names, spec.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if declaration.Doc == nil && spec.Doc == nil && spec.Comment == nil && name.IsExported() {
						names = append(names, name)
					}
				}
			}
		}
	}
	return names
}

// receiver returns the name of the type that a method belongs to; of a plain function, its own name.
func receiver(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return function.Name.Name
	}
	expression := function.Recv.List[0].Type
	for {
		switch inner := expression.(type) {
		case *ast.StarExpr:
			expression = inner.X
		case *ast.IndexExpr:
			expression = inner.X
		case *ast.IndexListExpr:
			expression = inner.X
		case *ast.Ident:
			return inner.Name
		default:
			return ""
		}
	}
}

// goFolder is a folder with Go files.
type goFolder struct {
	name  string
	files []goFile
}

// goFile is one of them, parsed.
type goFile struct {
	name   string
	isTest bool
	set    *token.FileSet
	syntax *ast.File
}

func (f goFile) isGenerated() bool { return ast.IsGenerated(f.syntax) }

func (f goFile) imports() (paths []string) {
	for _, spec := range f.syntax.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, imported)
		}
	}
	return paths
}

// lines counts the lines from one position to another, the last one included.
func (f goFile) lines(from, to token.Pos) int {
	return f.set.Position(to).Line - f.set.Position(from).Line + 1
}

func (f goFile) at(node ast.Node) string { return f.set.Position(node.Pos()).String() }

// tree parses every Go file of the module, whatever it is built for. Folders that the go command passes over, and modules
// of their own, are left out.
func tree(t *testing.T) []goFolder {
	t.Helper()
	set := token.NewFileSet()
	byName := map[string]*goFolder{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(name)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(entry.Name(), "_") || strings.HasPrefix(entry.Name(), ".") {
			return nil
		}
		syntax, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := path.Dir(filepath.ToSlash(name))
		if byName[folder] == nil {
			byName[folder] = &goFolder{name: folder}
		}
		file := goFile{name: name, isTest: strings.HasSuffix(name, "_test.go"), set: set, syntax: syntax}
		byName[folder].files = append(byName[folder].files, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if byName["."] == nil {
		t.Fatal("the root of the module has no Go files; the walk went wrong")
	}
	var folders []goFolder
	for _, folder := range byName {
		folders = append(folders, *folder)
	}
	slices.SortFunc(folders, func(a, b goFolder) int { return strings.Compare(a.name, b.name) })
	return folders
}

// skipFolder returns [fs.SkipDir] for a folder that is not part of the module.
func skipFolder(name string) error {
	if name == "." {
		return nil
	}
	base := filepath.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return fs.SkipDir
	}
	// What the build and the server leave in the root.
	if slices.Contains([]string{"bin", "data", "tmp"}, name) {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// requirements returns the versions of the modules that a go.mod requires.
func requirements(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") {
			versions[fields[0]] = fields[1]
		}
	}
	return versions
}
