//go:build linux

// Package load makes real load on a Muster server through its public protocol,
// with clients that are light enough to hold a hundred thousand of them beside
// the server, and measures: cmd/muster-load is its command line, docs/load.md
// explains it. It starts the server, workers that hold the clients (package
// crowd), and a process that does nothing but write(2), the floor, with which
// every fan-out is compared.
//
// Every message is verified: [Result.Faults] says what was lost, doubled or out
// of order.
package load

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"muster/internal/load/crowd"
)

// Settings are what all measurements have in common.
type Settings struct {
	Clients int    `help:"Clients, beside the senders." default:"1000" json:"clients"`
	Text    int    `help:"Bytes of a message's text." default:"128" json:"text_bytes"`
	Groups  int    `help:"Groups that every client is a member of." default:"5" json:"groups"`
	Data    string `help:"Directory for the server's data and the people's sessions, which is used again when it is there; default: a temporary one." type:"path" json:"data,omitempty"`

	Nodes    int      `help:"Server processes, joined by a NATS bus over one PostgreSQL." default:"1" json:"nodes"`
	Postgres string   `help:"PostgreSQL to use instead of SQLite: a connection URL of a server where databases may be made. Several nodes need one, and take the one of $MUSTER_TEST_POSTGRES by themselves." json:"-"`
	Serve    []string `help:"A setting of the server, such as live.idle_ping=1m; may be repeated." placeholder:"KEY=VALUE" sep:"none" json:"serve,omitempty"`

	URL     []string `help:"Running servers to use instead of starting one." name:"url" json:"urls,omitempty"`
	PID     []int    `help:"The process ids of those servers, for their processor time and memory." name:"pid" json:"-"`
	DataDir string   `help:"The data directory of the first of those servers, for its admin socket: it makes the people." name:"data-of-server" type:"path" json:"-"`

	ServerCPUs  []int `help:"Processors of the server and of the floor; default: the first, where there are two and one node." json:"server_cpus,omitempty"`
	ClientCPUs  []int `help:"Processors of the clients; default: all but the first, where the server has the first." json:"client_cpus,omitempty"`
	ServerProcs int   `help:"GOMAXPROCS of the server; 0 leaves it to the server." default:"2" json:"server_gomaxprocs"`
	Workers     int   `help:"Worker processes at least; more where the limit of open files asks for them." default:"1" json:"workers_at_least"`

	Rate     float64       `help:"Handshakes a second; 0: as fast as goes." default:"0" json:"handshakes_per_second"`
	AtOnce   int           `help:"Handshakes under way in each worker; 0: all." default:"64" json:"handshakes_at_once"`
	Patience time.Duration `help:"How long to wait for what should come." default:"30s" json:"-"`
	Profile  string        `help:"Write a CPU profile of the (first) server during the measurement to this file." type:"path" json:"-"`

	// Unbound lets the scheduler place server and clients.
	Unbound bool `help:"Bind nothing to processors." json:"unbound,omitempty"`
	// Admission leaves the server's limit on handshakes as it is configured.
	Admission bool `kong:"-" json:"admission_limited"`
	// Progress is where the progress line goes; nil: nowhere.
	Progress io.Writer `kong:"-" json:"-"`
}

// settle fills in what is left to the machine, and checks the rest.
func (s *Settings) settle() error {
	switch {
	case s.Clients < 1:
		return errors.New("at least one client is needed")
	case s.Text < crowd.MinText:
		return fmt.Errorf("a text that can be verified has %d bytes at least", crowd.MinText)
	case s.Nodes > 1 && len(s.URL) == 0 && s.postgres() == "":
		return errors.New("several nodes share a PostgreSQL: name one with --postgres")
	case len(s.URL) > 0 && s.DataDir == "" && s.Data == "":
		return errors.New("a running server needs --data-of-server, or --data with sessions made before")
	}
	if !s.Unbound && len(s.ServerCPUs) == 0 && len(s.ClientCPUs) == 0 && s.Nodes == 1 && len(s.URL) == 0 && runtime.NumCPU() > 1 {
		s.ServerCPUs = []int{0}
		for c := 1; c < runtime.NumCPU(); c++ {
			s.ClientCPUs = append(s.ClientCPUs, c)
		}
	}
	if s.Patience <= 0 {
		s.Patience = 30 * time.Second
	}
	return nil
}

func (s *Settings) postgres() string {
	if s.Postgres == "" && s.Nodes > 1 {
		return os.Getenv("MUSTER_TEST_POSTGRES")
	}
	return s.Postgres
}

// say writes the progress line anew.
func (s *Settings) say(format string, args ...any) {
	if s.Progress != nil {
		line := fmt.Sprintf(format, args...)
		_, _ = fmt.Fprintf(s.Progress, "\r\x1b[K%s", line) // a line for the eye
	}
}

// TerminalProgress gives standard error where it is a terminal, else nil.
func TerminalProgress() io.Writer {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || strings.EqualFold(os.Getenv("TERM"), "dumb") {
		return nil
	}
	return os.Stderr
}
