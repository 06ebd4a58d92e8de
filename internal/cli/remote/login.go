package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Logins are the sessions that `muster login` keeps for the person at the
// keyboard, one for each server, in a file that only they can read.
type Logins struct {
	// Current is the server that is meant when none is named.
	Current string `json:"current"`
	// Servers holds the sessions by the server's address.
	Servers map[string]Login `json:"servers"`

	path string
}

// Login is one session.
type Login struct {
	Account string `json:"account"`
	Token   string `json:"token"`
}

// LoginsFile is where the logins of a user lie: below XDG_CONFIG_HOME, which
// is ~/.config unless set (on macOS and Windows, where such things belong).
func LoginsFile(environ []string) (string, error) {
	if dir := Variable(environ, "XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "muster", "logins.json"), nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", Failed("there is no place to keep the login: %v", err)
	}
	return filepath.Join(dir, "muster", "logins.json"), nil
}

// ReadLogins reads the logins; none is no error.
func ReadLogins(path string) (*Logins, error) {
	l := &Logins{Servers: map[string]Login{}, path: path}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, Failed("cannot read the logins: %v", err)
	}
	if err := json.Unmarshal(data, l); err != nil {
		return nil, Failed("%s is damaged (%v): remove it and sign in again", path, err)
	}
	if l.Servers == nil {
		l.Servers = map[string]Login{}
	}
	return l, nil
}

// Write keeps the logins, whole or not at all, readable by their owner only.
func (l *Logins) Write() error {
	dir := filepath.Dir(l.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Failed("cannot keep the login: %v", err)
	}
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".logins-*") // 0600 from the start
	if err != nil {
		return Failed("cannot keep the login: %v", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), l.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return Failed("cannot keep the login: %v", err)
	}
	return nil
}

// CleanServer brings a server's address into the form in which it is kept:
// scheme and host, without a slash at the end. Without a scheme it is https, or
// http on this machine.
func CleanServer(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", Usage("the server's address is empty")
	}
	scheme, host, ok := strings.Cut(s, "://")
	if !ok {
		scheme, host = "https", s
		if onThisMachine(s) {
			scheme = "http"
		}
	}
	host = strings.TrimRight(host, "/")
	if scheme != "http" && scheme != "https" || host == "" || strings.ContainsAny(host, "/?# ") {
		return "", Usage("%q is no address of a server: write https://host or http://host:port", s)
	}
	return strings.ToLower(fmt.Sprintf("%s://%s", scheme, host)), nil
}

// onThisMachine says whether a host (with or without a port) is loopback.
func onThisMachine(host string) bool {
	name := host
	if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.HasSuffix(host, "]") {
		name = host[:i]
	}
	return name == "localhost" || strings.HasPrefix(name, "127.") || name == "[::1]"
}

// Exposed says whether what is sent to the server can be read on the way: plain
// HTTP to another machine.
func Exposed(server string) bool {
	host, plain := strings.CutPrefix(server, "http://")
	return plain && !onThisMachine(host)
}

// Variable gives the value of an environment variable, "" when it is not set.
func Variable(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value = v
		}
	}
	return value
}
