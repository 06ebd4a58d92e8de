package cli

import (
	"runtime"
	"runtime/debug"

	"muster/internal/app"
)

// versionCmd prints what this program is.
type versionCmd struct{}

// revision is the commit that the program was built from, "" if unknown.
func revision() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	if e.Object(struct {
		Version  string `json:"version"`
		Revision string `json:"revision,omitempty"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{app.Version, revision(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}) {
		return nil
	}
	commit := revision()
	if commit != "" {
		commit = commit[:min(12, len(commit))] + ", "
	}
	e.Print("muster %s (%s%s, %s/%s)", "", app.Version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
