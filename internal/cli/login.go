package cli

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"os"
	"strings"

	"connectrpc.com/connect"
	xterm "golang.org/x/term"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
)

type loginCmd struct {
	Server   string `arg:"" help:"Address of the server, such as https://voice.example.org."`
	Name     string `arg:"" help:"Name of the account."`
	Password string `default:"ask" help:"Where the password comes from: ask on the terminal, - reads a line from standard input, env takes MUSTER_PASSWORD." placeholder:"ask|-|env"`
	Device   string `default:"muster command line" help:"How the session is called in the account's list."`
}

// Run signs in and keeps the session.
func (c *loginCmd) Run(e *env) error {
	server, err := remote.CleanServer(c.Server)
	if err != nil {
		return err
	}
	if remote.Exposed(server) {
		e.Tell("muster: warning: %s is plain HTTP: everybody on the way can read the password", "muster: 警告：%s 是明文 HTTP，途中任何人都能读到密码", server)
	}
	password, err := e.password(c.Password, e.Lang.Of("Password: ", "密码："))
	if err != nil {
		return err
	}
	r := remote.At(server, "")
	defer r.Close()
	answer, err := r.Accounts.Login(e.ctx, connect.NewRequest(&musterv1.LoginRequest{Name: c.Name, Password: password, Device: c.Device}))
	if err != nil {
		return err
	}
	account := answer.Msg.GetAccount()
	if err := e.keepLogin(server, account.GetName(), answer.Msg.GetToken()); err != nil {
		endSession(server, answer.Msg.GetToken())
		return err
	}
	if !e.Message(account) {
		e.Print("signed in to %s as %s; the commands that follow go there unless a server runs on this machine's data directory", "已登录 %s，账号 %s", server, account.GetName())
	}
	return nil
}

// keepLogin writes a session into the user's file.
func (e *env) keepLogin(server, account, token string) error {
	file, err := remote.LoginsFile(e.environ)
	if err != nil {
		return err
	}
	logins, err := remote.ReadLogins(file)
	if err != nil {
		return err
	}
	if old := logins.Servers[server]; old.Token != "" {
		endSession(server, old.Token)
	}
	logins.Servers[server], logins.Current = remote.Login{Account: account, Token: token}, server
	return logins.Write()
}

type logoutCmd struct {
	Server string `arg:"" optional:"" help:"Address of the server; the one signed in to last unless given."`
}

// Run ends the session and forgets it.
func (c *logoutCmd) Run(e *env) error {
	file, err := remote.LoginsFile(e.environ)
	if err != nil {
		return err
	}
	logins, err := remote.ReadLogins(file)
	if err != nil {
		return err
	}
	server := cmp.Or(c.Server, logins.Current)
	if server == "" {
		return remote.Usage("you are signed in nowhere")
	}
	if server, err = remote.CleanServer(server); err != nil {
		return err
	}
	login, ok := logins.Servers[server]
	if !ok {
		return remote.Usage("you are not signed in to %s", server)
	}
	r := remote.At(server, login.Token)
	defer r.Close()
	_, err = r.Accounts.Logout(e.ctx, connect.NewRequest(&musterv1.LogoutRequest{}))
	if err != nil && remote.Explain(err, e.Lang).Code != "unauthenticated" {
		return err // the session may live on: keep the token
	}
	delete(logins.Servers, server)
	if logins.Current == server {
		logins.Current = ""
	}
	return e.done(logins.Write())
}

// password gets a password: "ask" on the terminal, "-" from standard input,
// "env" from MUSTER_PASSWORD. It is never a flag, where other users could see
// it.
func (e *env) password(from, prompt string) (string, error) {
	switch from {
	case "-":
		line, err := bufio.NewReader(io.LimitReader(e.In, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return nonEmpty(strings.TrimRight(line, "\r\n"))
	case "env":
		return nonEmpty(remote.Variable(e.environ, remote.PasswordVariable))
	case "ask":
		file, ok := e.In.(*os.File)
		if !ok || !term.IsTerminal(file) {
			return "", remote.Usage("there is no terminal to ask for the password: use --password=- or --password=env")
		}
		_, _ = io.WriteString(e.Err, prompt)
		typed, err := xterm.ReadPassword(int(file.Fd())) //nolint:gosec // a descriptor is small
		_, _ = io.WriteString(e.Err, "\n")
		if err != nil {
			return "", err
		}
		return nonEmpty(string(typed))
	default:
		return "", remote.Usage("--password is ask, - or env, never the password itself: other users of the machine can see it")
	}
}

func nonEmpty(password string) (string, error) {
	if password == "" {
		return "", remote.Usage("the password is empty")
	}
	return password, nil
}
