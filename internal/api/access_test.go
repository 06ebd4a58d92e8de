package api_test

import (
	"regexp"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "muster/gen/muster/v1"

	"muster/internal/api"
)

// The table of every call x role x object.
//
// A row is a call, an object, and what each role gets:
//
//	own      the channel, group, account, session, ... in which the roles hold
//	foreign  one of other people, who know none of them; that channel is for
//	         its roster only
//	missing  one that does not exist
//
// The roles, on the roster of the own channel and in the own group:
//
//	anon    no session
//	out     an account that is in neither
//	guest   guest of the channel, not in the group
//	memb    member of both
//	moder   moderator of the channel, member of the group
//	admin   admin of both
//	owner   owner of both
//	server  administrator of the server, in neither
//
// The answers: auth is unauthenticated, deny permission_denied, none not_found,
// bad invalid_argument, prec failed_precondition.

var roles = []string{"anon", "out", "guest", "memb", "moder", "admin", "owner", "server"}

var codes = map[string]connect.Code{
	"ok": 0, "auth": connect.CodeUnauthenticated, "deny": connect.CodePermissionDenied, "none": connect.CodeNotFound,
	"bad": connect.CodeInvalidArgument, "prec": connect.CodeFailedPrecondition,
}

const (
	own = iota
	foreign
	missing
)

var objectNames = []string{"own", "foreign", "missing"}

// rule is what one call answers.
type rule struct {
	call string
	do   do
	// what each role gets, for each object; a call without an object has own
	// only.
	//        anon  out   guest memb  moder admin owner server
	answers [3]string
}

// readOnly are the calls that leave the objects as they are, so that the next one
// finds them so.
var readOnly = regexp.MustCompile(`\.(Get|List|Find|Preview|Watch|Sync)`)

// TestAccess runs the table.
func TestAccess(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{noWorkers: true})
	w := newWorld(n)
	for _, r := range accessTable {
		for kind, line := range r.answers {
			if line == "" {
				continue
			}
			wants := strings.Fields(line)
			if len(wants) != len(roles) {
				t.Fatalf("%s, %s: %d answers for %d roles", r.call, objectNames[kind], len(wants), len(roles))
			}
			for i, want := range wants {
				code, ok := codes[want]
				if !ok {
					t.Fatalf("%s: there is no answer %q", r.call, want)
				}
				c := w.callers[i]
				err := r.do(t.Context(), c, w.objects(kind, c))
				if got := codeOf(err); got != code {
					t.Errorf("%s, %s object, %s: got %v, want %v (%v)", r.call, objectNames[kind], roles[i], got, code, err)
				}
				if err == nil && !readOnly.MatchString(r.call) {
					w.used(kind, i)
				}
			}
		}
	}
}

// TestAccessTable holds the table to the schema: every call has a row, and every
// call that names an object a row for each kind of object.
func TestAccessTable(t *testing.T) {
	t.Parallel()
	rules := map[string]rule{}
	for _, r := range accessTable {
		if _, twice := rules[r.call]; twice {
			t.Errorf("%s stands in the table twice", r.call)
		}
		rules[r.call] = r
	}
	count := 0
	for _, service := range api.Services() {
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			name := string(service.Name()) + "." + string(m.Name())
			count++
			r, ok := rules[name]
			if !ok {
				t.Errorf("%s has no row: say who may do it", name)
				continue
			}
			if r.answers[own] == "" {
				t.Errorf("%s has no row for an own object", name)
			}
			if namesObject(m.Input()) && (r.answers[foreign] == "" || r.answers[missing] == "") {
				t.Errorf("%s names an object and needs rows for a foreign and a missing one", name)
			}
		}
	}
	if count != len(rules) || count < 60 {
		t.Errorf("%d calls in the schema, %d in the table", count, len(rules))
	}
}

// TestServices holds api.Services to the files of the schema.
func TestServices(t *testing.T) {
	t.Parallel()
	served := map[protoreflect.FullName]bool{}
	for _, s := range api.Services() {
		served[s.FullName()] = true
	}
	for _, file := range []protoreflect.FileDescriptor{
		v1.File_muster_v1_account_proto, v1.File_muster_v1_admin_proto, v1.File_muster_v1_channel_proto,
		v1.File_muster_v1_enrolment_proto, v1.File_muster_v1_group_proto, v1.File_muster_v1_live_proto,
	} {
		for i := range file.Services().Len() {
			if name := file.Services().Get(i).FullName(); !served[name] {
				t.Errorf("%s is not served", name)
			}
		}
	}
}

// namesObject says whether a request has the id of something.
func namesObject(d protoreflect.MessageDescriptor) bool {
	for i := range d.Fields().Len() {
		if f := d.Fields().Get(i); !f.IsList() && strings.HasSuffix(string(f.Name()), "_id") && f.Kind() == protoreflect.Int64Kind {
			return true
		}
	}
	return false
}

func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}
