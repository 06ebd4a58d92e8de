package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"pgregory.net/rapid"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/channel"
	"muster/internal/enrol"
)

// TestCodes holds the domain's names to Connect's.
func TestCodes(t *testing.T) {
	connectCodes := map[string]bool{}
	for c := connect.CodeCanceled; c <= connect.CodeUnauthenticated; c++ {
		connectCodes[c.String()] = true
	}
	for c := muster.CodeInternal; c <= muster.CodeCanceled; c++ {
		if !connectCodes[CodeName(c)] {
			t.Errorf("Connect has no code %q", CodeName(c))
		}
		if CodeOf(CodeName(c)) != c {
			t.Errorf("%v comes back as %v", c, CodeOf(CodeName(c)))
		}
	}
	if CodeOf("deadline_exceeded") != muster.CodeUnavailable || CodeOf("who knows") != muster.CodeInternal {
		t.Error("codes that the domain does not use are misread")
	}
}

func TestError(t *testing.T) {
	secret := errors.New("disk sda1 is on fire")
	for _, err := range []error{secret, &muster.Error{Code: muster.CodeInternal, Message: secret.Error(), Cause: secret}} {
		e := Error(err, "e-1")
		if e.GetCode() != "internal" || strings.Contains(e.String(), "sda1") || !strings.Contains(e.GetMessage(), "e-1") {
			t.Errorf("%v leaves as %v", err, e)
		}
	}
	refused := muster.Exhausted("slow_mode", 1500*time.Microsecond, "wait")
	back := ErrorOf(Error(fmt.Errorf("wrapped: %w", refused), ""))
	if back.Code != refused.Code || back.Reason != refused.Reason || back.RetryAfter != 2*time.Millisecond {
		t.Errorf("%+v comes back as %+v", refused, back)
	}
}

func TestTokens(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := Cursor{ID: rapid.Int64().Draw(r, "id"), Rank: rapid.Int64().Draw(r, "rank"), Name: rapid.StringN(0, 20, 80).Draw(r, "name")}
		token := Token(ListRoster, c)
		if got, err := ParseToken(ListRoster, token); err != nil || got != c {
			r.Fatalf("%+v comes back as %+v, %v", c, got, err)
		}
		if _, err := ParseToken(ListMembers, token); muster.ReasonOf(err) != "invalid_page_token" {
			r.Fatalf("a token of another list: %v", err)
		}
	})
	if c, err := ParseToken(ListBans, ""); err != nil || c != (Cursor{}) {
		t.Errorf("no token: %v, %v", c, err)
	}
	for _, bad := range []string{"x", "!!!", "AA", Token(ListBans, Cursor{}) + "=", "BgE", strings.Repeat("B", 512)} {
		if _, err := ParseToken(ListRoster, bad); muster.CodeOf(err) != muster.CodeInvalidArgument {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestEnums holds the domain's numbers to the schema's, which conversions rely on.
func TestEnums(t *testing.T) {
	for i, name := range map[int32]string{int32(muster.Guest): "GUEST", int32(muster.VIP): "VIP", int32(muster.Member): "MEMBER", int32(muster.Moderator): "MODERATOR", int32(muster.Admin): "ADMIN", int32(muster.Owner): "OWNER"} {
		if got := musterv1.Level(i).String(); got != "LEVEL_"+name {
			t.Errorf("level %d is %s in the schema", i, got)
		}
	}
	for r := muster.RoleMember; r <= muster.RoleOwner; r++ {
		if got := Role(r).String(); got != "ROLE_"+strings.ToUpper(r.String()) {
			t.Errorf("role %v is %s in the schema", r, got)
		}
	}
	for p := channel.JoinOpen; p <= channel.JoinRoster; p++ {
		if got := musterv1.JoinPolicy(p).String(); got != "JOIN_POLICY_"+strings.ToUpper(p.String()) {
			t.Errorf("policy %v is %s in the schema", p, got)
		}
	}
	for d := muster.DirectAddAllow; d <= muster.DirectAddRefuse; d++ {
		if got := musterv1.DirectAdd(d).String(); got != "DIRECT_ADD_"+strings.ToUpper(d.String()) {
			t.Errorf("direct add %v is %s in the schema", d, got)
		}
	}
	for s, name := range map[enrol.State]string{enrol.Running: "RUNNING", enrol.Done: "DONE", enrol.Cancelled: "CANCELLED", enrol.Failed: "FAILED", enrol.Undoing: "UNDOING", enrol.Undone: "UNDONE"} {
		if got := musterv1.EnrolmentState(s).String(); got != "ENROLMENT_STATE_"+name {
			t.Errorf("state %s is %s in the schema", name, got)
		}
	}
	for c, name := range map[enrol.Choice]string{enrol.Accept: "ACCEPT", enrol.Decline: "DECLINE", enrol.DeclineAndLeave: "DECLINE_AND_LEAVE"} {
		if got := musterv1.Choice(c).String(); got != "CHOICE_"+name {
			t.Errorf("choice %s is %s in the schema", name, got)
		}
		if back, err := ParseChoice(musterv1.Choice(c)); err != nil || back != c {
			t.Errorf("choice %s comes back as %v, %v", name, back, err)
		}
	}
	if n := musterv1.Choice(0).Descriptor().Values().Len(); n != 4 {
		t.Errorf("the schema has %d choices", n)
	}
}

func TestPolicies(t *testing.T) {
	in := []*musterv1.LevelPolicy{
		{Level: musterv1.Level_LEVEL_OWNER, Policy: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT},
		{Level: musterv1.Level_LEVEL_GUEST, Policy: musterv1.EnrolPolicy_ENROL_POLICY_ASK},
	}
	p, err := Policies(in)
	if err != nil || p[muster.Owner] != enrol.Direct || p[muster.Guest] != enrol.Ask || p[muster.Member] != enrol.Skip {
		t.Fatalf("%v, %v", p, err)
	}
	if back, err := Policies(LevelPolicies(p)); err != nil || back != p {
		t.Fatalf("%v comes back as %v, %v", p, back, err)
	}
	for _, bad := range [][]*musterv1.LevelPolicy{
		{in[0], in[0]}, {{Level: 0, Policy: 1}}, {{Level: 99, Policy: 1}}, {{Level: 1, Policy: 9}},
	} {
		if _, err := Policies(bad); muster.CodeOf(err) != muster.CodeInvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
