package web_test

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "muster/internal/cli" // the program under test: when it changes, what go remembers of TestBrowser is void
	"muster/internal/web"
)

// The folders of the client and of its browser tests, from here.
const (
	clientFolder = "../../web"
	specsFolder  = "../../web/e2e"
)

// TestUnits runs the client's own tests, which need no browser.
func TestUnits(t *testing.T) {
	t.Parallel()
	need(t, "node", clientFolder+"/node_modules/vitest/vitest.mjs")
	dependOn(t, clientFolder)
	report := filepath.Join(t.TempDir(), "report.json")
	output, failed := node(t, clientFolder, nil, "node_modules/vitest/vitest.mjs", "run", "--reporter=json", "--outputFile="+report)
	var results struct {
		NumTotalTests int
		TestResults   []struct {
			Name, Message    string
			AssertionResults []struct {
				FullName, Status string
				FailureMessages  []string
			}
		}
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v: %s", failed, output)
	}
	if err := json.Unmarshal(text, &results); err != nil {
		t.Fatal(err)
	}
	if results.NumTotalTests == 0 {
		t.Error("the client has no tests")
	}
	for _, file := range results.TestResults {
		t.Run(filepath.Base(file.Name), func(t *testing.T) {
			for _, test := range file.AssertionResults {
				t.Run(test.FullName, func(t *testing.T) { verdict(t, test.Status, strings.Join(test.FailureMessages, "\n")) })
			}
			if file.Message != "" {
				t.Error(file.Message)
			}
		})
	}
	if failed != nil && !t.Failed() {
		t.Errorf("%v: %s", failed, output)
	}
}

// TestBrowser runs the specs of web/e2e: people in a real browser, on the
// program that people run.
func TestBrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	need(t, "node", specsFolder+"/node_modules/@playwright/test/cli.js")
	if !web.New().Built() {
		lacking(t, "the client is not built: make build")
	}
	browser(t)
	dependOn(t, specsFolder)
	dir := t.TempDir()
	program := filepath.Join(dir, "muster")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "muster/cmd/muster")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	report := filepath.Join(dir, "report.jsonl")
	environ := []string{"MUSTER_TEST_SERVER=" + program, "MUSTER_TEST_REPORT=" + report}
	output, failed := node(t, specsFolder, environ, "node_modules/@playwright/test/cli.js", "test")
	ran, planned := browserReport(t, report)
	if planned == 0 || ran != planned {
		t.Errorf("%d of %d specs ran: %v: %s", ran, planned, failed, output)
	}
	if failed != nil && !t.Failed() {
		t.Errorf("%v: %s", failed, output)
	}
}

// browserReport makes a test of each line that web/e2e/harness/report.ts wrote.
func browserReport(t *testing.T, name string) (ran, planned int) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		return 0, 0
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Name, Status, Output, Error string
			Planned, MS                 int
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		planned += line.Planned
		if line.Error != "" {
			t.Error(line.Error)
		}
		if line.Name == "" {
			continue
		}
		ran++
		t.Run(line.Name, func(t *testing.T) {
			t.Logf("%d ms in the browser", line.MS)
			verdict(t, line.Status, line.Output)
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return ran, planned
}

// verdict passes on how a test in JavaScript ended.
func verdict(t *testing.T, status, output string) {
	t.Helper()
	switch status {
	case "passed":
		if output != "" {
			t.Log(output)
		}
	case "skipped", "pending", "todo":
		t.Skip(status)
	default:
		t.Errorf("%s: %s", status, output)
	}
}

// node runs a script in a folder. With the test it ends.
func node(t *testing.T, folder string, environ []string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = folder
	cmd.Env = append(append(os.Environ(), "NO_COLOR=1", "FORCE_COLOR="), environ...)
	// The script ends its servers and browsers.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// need skips a test that lacks a program or a file, unless it is required.
func need(t *testing.T, program string, files ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		lacking(t, err.Error())
	}
	for _, name := range files {
		if _, err := os.Stat(name); err != nil {
			lacking(t, err.Error()+": make web-packages installs it")
		}
	}
}

func browser(t *testing.T) {
	t.Helper()
	if os.Getenv("MUSTER_TEST_CHROMIUM") != "" {
		return
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	lacking(t, "there is no Chromium; scripts/install-test-needs installs it")
}

func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("MUSTER_TEST_BROWSER_REQUIRED") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// dependOn reads what a test in JavaScript is made of, so that go test knows
// that it has to run again when any of it has changed.
func dependOn(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "dist" || name != folder && entry.Name() == "e2e"):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		_, err = os.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
