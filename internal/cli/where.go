package cli

import (
	"strings"

	"muster/internal/cli/remote"
	"muster/internal/config"
)

// Where says which server a command talks to and as whom.
type Where struct {
	Server string `help:"Address of the server, such as https://voice.example.org (or MUSTER_SERVER)." placeholder:"URL" group:"which server, and as whom"`
	Data   string `help:"Data directory of a server on this machine (or server.data of the configuration; ./data)." placeholder:"DIR" type:"path" group:"which server, and as whom"`
	As     string `help:"Account to act as, on the server's own machine; the owner unless given." placeholder:"NAME" group:"which server, and as whom"`
	Config string `help:"Configuration file of a server on this machine (or MUSTER_CONFIG)." placeholder:"FILE" type:"path" group:"which server, and as whom"`
}

// foreign are the MUSTER_ variables that are no settings of the server.
var foreign = []string{remote.ServerVariable, remote.TokenVariable, remote.PasswordVariable, "MUSTER_TEST_*", "MUSTER_SOAK"}

// dataDir finds the data directory of a server on this machine.
func (w Where) dataDir(environ []string) (string, error) {
	if w.Data != "" {
		return w.Data, nil
	}
	cfg, err := config.Load(config.Options{File: w.Config, Environ: environ, Foreign: foreign})
	if err != nil {
		return "", remote.Usage("%v", err)
	}
	return cfg.Server.Data, nil
}

// with runs something with the server.
func (e *env) with(w Where, do func(r *remote.Remote) error) error {
	r, err := remote.Open(remote.Options{
		Server: w.Server, As: w.As, Environ: e.environ, Device: "muster command line",
		DataDir: func() (string, error) { return w.dataDir(e.environ) },
	})
	if err != nil {
		return err
	}
	defer r.Close()
	return do(r)
}

// splitList takes a list apart that is separated by commas or spaces, as kong
// gives repeated flags too.
func splitList(list []string) []string {
	var out []string
	for _, item := range list {
		out = append(out, strings.FieldsFunc(item, func(r rune) bool { return r == ',' || r == ' ' || r == '，' })...)
	}
	return out
}
