package api

import (
	"net/http"
	"runtime"
	"runtime/debug"
)

// build is what /version tells.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Changed bool   `json:"changed,omitempty"` // the source was not as committed
	Go      string `json:"go"`
	Store   string `json:"store,omitempty"`
}

func readBuild(opt Options) build {
	b := build{Version: opt.Version, Go: runtime.Version(), Store: opt.Store}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Changed = s.Value == "true"
		}
	}
	return b
}

// status is what /livez and /readyz tell.
type status struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// livez says that the process answers.
func (a *API) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, status{Status: "ok"})
}

// readyz says whether requests should be sent here. Why not is a matter of the
// log, but for a stop.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	if a.life.Err() != nil {
		writeJSON(w, http.StatusServiceUnavailable, status{"unavailable", "shutting_down"})
		return
	}
	if a.opt.Ready != nil {
		if err := a.opt.Ready(r.Context()); err != nil {
			a.opt.Log.WarnContext(r.Context(), "the server is not ready", "error", err)
			writeJSON(w, http.StatusServiceUnavailable, status{"unavailable", "not_ready"})
			return
		}
	}
	writeJSON(w, http.StatusOK, status{Status: "ok"})
}

func (a *API) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, a.build)
}
