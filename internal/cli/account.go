package cli

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
)

// accountCmd is about people and their sessions.
type accountCmd struct {
	Create    accountCreateCmd  `cmd:"" help:"Make an account; without a password it gets a link by which its person claims it."`
	List      accountListCmd    `cmd:"" help:"List the accounts by name."`
	Show      accountShowCmd    `cmd:"" help:"Show one account; without a name, the acting one."`
	Claim     accountClaimCmd   `cmd:"" help:"Take the account that a one-time link is for: the server's first owner, or one that was made for you."`
	Link      accountLinkCmd    `cmd:"" help:"Make a new one-time link for an account; its old password and sessions end."`
	Role      accountRoleCmd    `cmd:"" help:"Make an account user, admin or owner of the server."`
	Suspend   accountSuspendCmd `cmd:"" help:"Keep an account out and end its sessions; --lift lets it in again."`
	Sessions  sessionsCmd       `cmd:"" help:"List the acting account's sessions."`
	Revoke    revokeCmd         `cmd:"" help:"End one session, or all others; their sockets close within a second."`
	DirectAdd directAddCmd      `cmd:"" help:"Say who may add the acting account to a group: allow, ask or refuse."`
	Block     blockCmd          `cmd:"" help:"Keep another account from adding or inviting the acting one; --lift takes it back."`
}

// server roles by their names.
var serverRoles = map[string]musterv1.ServerRole{
	"user": musterv1.ServerRole_SERVER_ROLE_USER, "admin": musterv1.ServerRole_SERVER_ROLE_ADMIN, "owner": musterv1.ServerRole_SERVER_ROLE_OWNER,
}

type accountCreateCmd struct {
	Where
	Name     string `arg:"" help:"Name to sign in with: 2 to 32 of a-z, 0-9, dot, underscore and hyphen."`
	Nickname string `help:"Name for people; the name unless given."`
	Role     string `enum:"user,admin,owner" default:"user" help:"Role on the server: ${enum}."`
	Password string `help:"Where the password comes from: - reads a line from standard input, env takes MUSTER_PASSWORD. Without it a link is made." placeholder:"-|env"`
}

// Run makes an account.
func (c *accountCreateCmd) Run(e *env) error {
	password := ""
	if c.Password != "" {
		var err error
		if password, err = e.password(c.Password, ""); err != nil {
			return err
		}
	}
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Admin.CreateAccount(e.ctx, connect.NewRequest(&musterv1.CreateAccountRequest{
			Name: c.Name, Nickname: c.Nickname, Password: password, ServerRole: serverRoles[c.Role],
		}))
		if err != nil {
			return err
		}
		if e.Message(answer.Msg) {
			return nil
		}
		made := answer.Msg.GetAccount()
		e.Print("account %s (%d) was made", "已创建账号 %s（%d）", made.GetName(), made.GetId())
		e.printLink(answer.Msg.GetClaimLink())
		return nil
	})
}

// printLink prints a one-time link.
func (e *env) printLink(link string) {
	if link != "" {
		e.Print("  one-time link for its person: %s", "  一次性认领链接：%s", link)
	}
}

type accountListCmd struct {
	Where
	Prefix string `arg:"" optional:"" help:"Beginning of the name."`
}

// Run lists accounts.
func (c *accountListCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		table := e.Table("", "name", "nickname", "role", "state", "id")
		for page, err := range remote.Pages(e.ctx, r.Admin.ListAccounts, func(token string) *musterv1.ListAccountsRequest {
			return &musterv1.ListAccountsRequest{NamePrefix: c.Prefix, PageSize: listPage, PageToken: token}
		}) {
			if err != nil {
				return err
			}
			for _, a := range page.GetAccounts() {
				if !e.Message(a) {
					table.Row(a.GetName(), a.GetNickname(), enumName(a.GetServerRole()), accountState(a), idText(a.GetId()))
				}
			}
			table.Flush()
		}
		return nil
	})
}

// listPage is how many rows a list asks for at once.
const listPage = 500

func accountState(a *musterv1.Account) string {
	if a.GetSuspended() {
		return "suspended"
	}
	return ""
}

// idText is an id as it is typed.
func idText(id int64) string { return strconv.FormatInt(id, 10) }

// enumName is the word of a value of the schema: LEVEL_ADMIN is "admin".
func enumName(v interface{ String() string }) string {
	name := strings.ToLower(v.String())
	for _, prefix := range []string{
		"server_role_", "direct_add_", "join_policy_", "level_", "role_", "enrolment_state_", "enrol_policy_", "choice_", "message_kind_",
	} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if rest == "unspecified" {
				return "-"
			}
			return rest
		}
	}
	return name
}

type accountShowCmd struct {
	Where
	Name string `arg:"" optional:"" help:"Name or id; the acting account unless given."`
}

// Run shows an account.
func (c *accountShowCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		var a *musterv1.Account
		var err error
		if c.Name == "" {
			a, err = r.Acting(e.ctx)
		} else {
			a, err = r.Account(e.ctx, c.Name)
		}
		if err != nil || e.Message(a) {
			return err
		}
		table := e.Table("")
		table.Row("name", a.GetName())
		table.Row("id", idText(a.GetId()))
		table.Row("nickname", a.GetNickname())
		if a.GetAbout() != "" {
			table.Row("about", a.GetAbout())
		}
		if a.GetServerRole() != 0 {
			table.Row("server role", enumName(a.GetServerRole()))
			table.Row("may be added", enumName(a.GetDirectAdd()))
		}
		table.Row("since", term.Moment(a.GetCreatedMs()))
		table.Row(" ", accountState(a))
		table.Flush()
		return nil
	})
}

type accountClaimCmd struct {
	Link     string `arg:"" help:"The one-time link."`
	Name     string `arg:"" help:"Name of the account; the first owner chooses it."`
	Nickname string `help:"Name for people; the name unless given."`
	Password string `default:"ask" help:"Where the password comes from: ask on the terminal, - reads a line from standard input, env takes MUSTER_PASSWORD." placeholder:"ask|-|env"`
	Login    bool   `help:"Keep the session, as muster login does."`
}

// Run claims an account.
func (c *accountClaimCmd) Run(e *env) error {
	link, err := url.Parse(c.Link)
	if err != nil || link.Host == "" || link.Fragment == "" {
		return remote.Usage("%q is no one-time link: it looks like http://127.0.0.1:8080/setup#...", c.Link)
	}
	password, err := e.password(c.Password, e.Lang.Of("New password: ", "新密码："))
	if err != nil {
		return err
	}
	server := link.Scheme + "://" + link.Host
	r := remote.At(server, "")
	defer r.Close()
	answer, err := r.Accounts.Register(e.ctx, connect.NewRequest(&musterv1.RegisterRequest{
		Name: c.Name, Nickname: c.Nickname, Password: password, SetupToken: link.Fragment, Device: "muster command line",
	}))
	if err != nil {
		return err
	}
	if c.Login {
		if err := e.keepLogin(server, answer.Msg.GetAccount().GetName(), answer.Msg.GetToken()); err != nil {
			return err
		}
	} else {
		defer endSession(server, answer.Msg.GetToken())
		answer.Msg.Token = ""
	}
	if !e.Message(answer.Msg.GetAccount()) {
		e.Print("the account %s is yours (%s)", "账号 %s 已归你所有（%s）", answer.Msg.GetAccount().GetName(), enumName(answer.Msg.GetAccount().GetServerRole()))
	}
	return nil
}

type accountLinkCmd struct {
	Where
	Name string `arg:"" help:"Name or id of the account."`
}

// Run makes a link.
func (c *accountLinkCmd) Run(e *env) error {
	return e.setAccount(c.Where, c.Name, &musterv1.SetAccountRequest{ResetPassword: true})
}

// setAccount changes an account as an administrator of the server.
func (e *env) setAccount(w Where, name string, request *musterv1.SetAccountRequest) error {
	return e.with(w, func(r *remote.Remote) error {
		id, err := r.OperatedAccount(e.ctx, name)
		if err != nil {
			return err
		}
		request.AccountId = id
		answer, err := r.Admin.SetAccount(e.ctx, connect.NewRequest(request))
		if err != nil || e.Message(answer.Msg) {
			return err
		}
		a := answer.Msg.GetAccount()
		e.Print("%s: %s %s", "", a.GetName(), enumName(a.GetServerRole()), accountState(a))
		e.printLink(answer.Msg.GetClaimLink())
		return nil
	})
}

type accountRoleCmd struct {
	Where
	Name string `arg:"" help:"Name or id of the account."`
	Role string `arg:"" enum:"user,admin,owner" help:"One of ${enum}."`
}

// Run sets the role.
func (c *accountRoleCmd) Run(e *env) error {
	return e.setAccount(c.Where, c.Name, &musterv1.SetAccountRequest{ServerRole: serverRoles[c.Role].Enum()})
}

type accountSuspendCmd struct {
	Where
	Name string `arg:"" help:"Name or id of the account."`
	Lift bool   `help:"Let the account in again."`
}

// Run suspends an account.
func (c *accountSuspendCmd) Run(e *env) error {
	suspended := !c.Lift
	return e.setAccount(c.Where, c.Name, &musterv1.SetAccountRequest{Suspended: &suspended})
}

type sessionsCmd struct{ Where }

// Run lists sessions.
func (c *sessionsCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Accounts.ListSessions(e.ctx, connect.NewRequest(&musterv1.ListSessionsRequest{}))
		if err != nil {
			return err
		}
		table := e.Table("", "session", "device", "address", "last seen", "until", "")
		for _, s := range answer.Msg.GetSessions() {
			if e.Message(s) {
				continue
			}
			mark := ""
			if s.GetCurrent() {
				mark = e.Lang.Of("this one", "本会话")
			}
			table.Row(idText(s.GetId()), s.GetDevice(), s.GetAddress(), term.Moment(s.GetSeenMs()), term.Moment(s.GetExpiresMs()), mark)
		}
		table.Flush()
		return nil
	})
}

type revokeCmd struct {
	Where
	Session int64 `arg:"" optional:"" help:"Session to end."`
	Others  bool  `help:"End all but the one that calls."`
}

// Run ends sessions.
func (c *revokeCmd) Run(e *env) error {
	if (c.Session == 0) != c.Others {
		return remote.Usage("name one session, or say --others")
	}
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Accounts.RevokeSession(e.ctx, connect.NewRequest(&musterv1.RevokeSessionRequest{SessionId: c.Session, AllOthers: c.Others}))
		if err == nil && !e.Message(answer.Msg) {
			e.Print("done", "已完成")
		}
		return err
	})
}

type directAddCmd struct {
	Where
	Answer string `arg:"" enum:"allow,ask,refuse" help:"One of ${enum}."`
}

// Run changes the setting.
func (c *directAddCmd) Run(e *env) error {
	value := musterv1.DirectAdd(musterv1.DirectAdd_value["DIRECT_ADD_"+strings.ToUpper(c.Answer)])
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Accounts.UpdateProfile(e.ctx, connect.NewRequest(&musterv1.UpdateProfileRequest{DirectAdd: &value}))
		if err == nil && !e.Message(answer.Msg.GetAccount()) {
			e.Print("%s: %s", "", answer.Msg.GetAccount().GetName(), c.Answer)
		}
		return err
	})
}

type blockCmd struct {
	Where
	Name string `arg:"" help:"Name or id of the account."`
	Lift bool   `help:"Take the block back."`
}

// Run blocks an account.
func (c *blockCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		a, err := r.Account(e.ctx, c.Name)
		if err != nil {
			return err
		}
		if c.Lift {
			_, err = r.Accounts.Unblock(e.ctx, connect.NewRequest(&musterv1.UnblockRequest{AccountId: a.GetId()}))
		} else {
			_, err = r.Accounts.Block(e.ctx, connect.NewRequest(&musterv1.BlockRequest{AccountId: a.GetId()}))
		}
		return e.done(err)
	})
}

// done ends a command that has nothing to show.
func (e *env) done(err error) error {
	if err == nil && !e.Object(map[string]bool{"ok": true}) {
		e.Print("done", "已完成")
	}
	return err
}

// endSession ends a session that nobody needs any more.
func endSession(server, token string) {
	r := remote.At(server, token)
	defer r.Close()
	_, _ = r.Accounts.Logout(context.Background(), connect.NewRequest(&musterv1.LogoutRequest{})) // it would end by itself
}
