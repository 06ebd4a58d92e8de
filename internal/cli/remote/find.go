package remote

import (
	"context"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
)

// pageSize is how many items the command line asks for at once.
const pageSize = 500

// minID is the least number that is taken for an id: ids carry the milliseconds
// since 2025 above their 22 lowest bits, and the first days of 2025 are over.
const minID = 1 << 50

// asID reads an id. Smaller numbers are names: a group may be called "2026".
func asID(s string) (int64, bool) {
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id >= minID
}

// IsID says whether a text is an id and no name.
func IsID(s string) bool {
	_, ok := asID(s)
	return ok
}

// notFound is the failure of a name that nothing has.
func notFound(what, name, advice string) *Failure {
	return &Failure{
		Exit: ExitRefused, Code: "not_found", Reason: what + "_not_found",
		Message: "there is no " + what + " " + strconv.Quote(name) + " that you may see", Advice: advice,
	}
}

// ambiguous is the failure of a name that several have.
func ambiguous(what, name string, first, second int64) *Failure {
	return &Failure{
		Exit: ExitUsage, Code: "failed_precondition", Reason: what + "_ambiguous",
		Message: "more than one " + what + " is called " + strconv.Quote(name) + ": use the id (" +
			strconv.FormatInt(first, 10) + ", " + strconv.FormatInt(second, 10) + ", ...)",
	}
}

// Account finds an account by id or name.
func (r *Remote) Account(ctx context.Context, nameOrID string) (*musterv1.Account, error) {
	if id, ok := asID(nameOrID); ok {
		answer, err := r.Accounts.GetAccount(ctx, connect.NewRequest(&musterv1.GetAccountRequest{AccountId: id}))
		if err != nil {
			return nil, err
		}
		return answer.Msg.GetAccount(), nil
	}
	name := strings.ToLower(strings.TrimSpace(nameOrID))
	if name == "" {
		return nil, Usage("the account's name is empty")
	}
	// The exact name is the first of all that begin with it.
	answer, err := r.Accounts.FindAccounts(ctx, connect.NewRequest(&musterv1.FindAccountsRequest{NamePrefix: name, PageSize: 1}))
	if err != nil {
		return nil, err
	}
	for _, a := range answer.Msg.GetAccounts() {
		if a.GetName() == name {
			return a, nil
		}
	}
	return nil, notFound("account", nameOrID, "`muster account list` shows them")
}

// OperatedAccount finds the id of an account by id or name as the server's
// administration sees it, suspended ones too.
func (r *Remote) OperatedAccount(ctx context.Context, nameOrID string) (int64, error) {
	if id, ok := asID(nameOrID); ok {
		return id, nil
	}
	name := strings.ToLower(strings.TrimSpace(nameOrID))
	answer, err := r.Admin.ListAccounts(ctx, connect.NewRequest(&musterv1.ListAccountsRequest{NamePrefix: name, PageSize: 1}))
	if err != nil {
		return 0, err
	}
	for _, a := range answer.Msg.GetAccounts() {
		if a.GetName() == name {
			return a.GetId(), nil
		}
	}
	return 0, notFound("account", nameOrID, "`muster account list` shows them")
}

// Group finds one of the acting account's groups by id or name.
func (r *Remote) Group(ctx context.Context, nameOrID string) (int64, error) {
	if id, ok := asID(nameOrID); ok {
		return id, nil
	}
	found := int64(0)
	for answer, err := range Pages(ctx, r.Groups.ListMyGroups, func(token string) *musterv1.ListMyGroupsRequest {
		return &musterv1.ListMyGroupsRequest{PageSize: pageSize, PageToken: token}
	}) {
		if err != nil {
			return 0, err
		}
		for _, mine := range answer.GetGroups() {
			switch {
			case mine.GetGroup().GetName() != nameOrID:
			case found != 0:
				return 0, ambiguous("group", nameOrID, found, mine.GetGroup().GetId())
			default:
				found = mine.GetGroup().GetId()
			}
		}
	}
	if found == 0 {
		return 0, notFound("group", nameOrID, "`muster group list` shows yours")
	}
	return found, nil
}

// Subgroup finds a subgroup of a group by id or name.
func Subgroup(group *musterv1.GetGroupResponse, nameOrID string) (*musterv1.Subgroup, error) {
	id, isID := asID(nameOrID)
	for _, s := range group.GetSubgroups() {
		if isID && s.GetId() == id || !isID && s.GetName() == nameOrID {
			return s, nil
		}
	}
	return nil, notFound("subgroup", nameOrID, "`muster group show` lists them")
}

// Channel finds a channel by id, by its path ("Top/Sub") or by its name. A name
// is looked for among the channels at the top first, then in the whole tree.
func (r *Remote) Channel(ctx context.Context, nameOrID string) (int64, error) {
	if id, ok := asID(nameOrID); ok {
		return id, nil
	}
	found, err := r.childChannel(ctx, 0, nameOrID)
	if found != 0 || err != nil {
		return found, err
	}
	if strings.Contains(nameOrID, "/") {
		found, err = r.channelByPath(ctx, strings.Split(nameOrID, "/"))
		if found != 0 || err != nil {
			return found, err
		}
	}
	for c, err := range r.ChannelTree(ctx) {
		switch {
		case err != nil:
			return 0, err
		case c.GetName() != nameOrID:
		case found != 0:
			return 0, ambiguous("channel", nameOrID, found, c.GetId())
		default:
			found = c.GetId()
		}
	}
	if found == 0 {
		return 0, notFound("channel", nameOrID, "`muster channel list` shows the tree")
	}
	return found, nil
}

// channelByPath goes down the tree; 0: there is no such path.
func (r *Remote) channelByPath(ctx context.Context, names []string) (int64, error) {
	at := int64(0)
	for _, name := range names {
		next, err := r.childChannel(ctx, at, strings.TrimSpace(name))
		if next == 0 || err != nil {
			return 0, err
		}
		at = next
	}
	return at, nil
}

// childChannel finds the child of a channel by its name; 0: there is none.
func (r *Remote) childChannel(ctx context.Context, parent int64, name string) (int64, error) {
	found := int64(0)
	for answer, err := range r.childPages(ctx, parent) {
		if err != nil {
			return 0, err
		}
		for _, c := range answer.GetChannels() {
			switch {
			case c.GetName() != name:
			case found != 0:
				return 0, ambiguous("channel", name, found, c.GetId())
			default:
				found = c.GetId()
			}
		}
	}
	return found, nil
}
