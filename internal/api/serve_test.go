package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"connectrpc.com/connect"

	v1 "muster/gen/muster/v1"

	"muster/internal/account"
	"muster/internal/api"
	"muster/internal/web"
)

// TestHeaders wants the headers of security on every answer, whatever answers.
func TestHeaders(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{api: func(o *api.Options) {
		o.Live = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		client, err := web.Load(fstest.MapFS{"index.html": {Data: []byte("the page")}, "favicon.svg": {Data: []byte("<svg/>")}})
		if err != nil {
			t.Fatal(err)
		}
		o.Web = client
	}})
	c := n.person("anna", account.ServerUser)
	ids := map[string]bool{}
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/", "", 200},
		{"GET", "/favicon.svg", "", 200},
		{"GET", "/setup", "", 404}, // no browser asks so
		{"GET", "/livez", "", 200},
		{"GET", "/readyz", "", 200},
		{"GET", "/version", "", 200},
		{"HEAD", "/", "", 200},
		{"GET", "/nowhere", "", 404},
		{"GET", "/a/../b", "", 404},
		{"POST", "/", "", 404},
		{"GET", "/live", "", 418},
		{"POST", mePath, "{}", 200},
		{"POST", mePath, "nonsense", 400},
		{"GET", mePath, "", 405},
		{"POST", "/muster.v1.GroupService/GetGroup", `{"groupId":1}`, 404},
		{"POST", "/muster.v1.GroupService/GetGroup", `{"groupId":1,"x":"` + strings.Repeat("x", 5<<20) + `"}`, 413},
	} {
		res, body := n.do(c, test.method, test.path, strings.NewReader(test.body), "Content-Type", asJSON)
		if res.StatusCode != test.status {
			t.Errorf("%s %s: %s %.200s", test.method, test.path, res.Status, body)
		}
		for header, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := res.Header.Get(header); !strings.Contains(got, want) {
				t.Errorf("%s %s: %s is %q", test.method, test.path, header, got)
			}
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s %s: the policy is %q", test.method, test.path, csp)
		}
		if res.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s %s: HSTS without TLS", test.method, test.path)
		}
		id := res.Header.Get("X-Request-Id")
		if id == "" || ids[id] {
			t.Errorf("%s %s: the id is %q", test.method, test.path, id)
		}
		ids[id] = true
	}
}

// TestHealth asks as a supervisor does.
func TestHealth(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	n := startNode(t, nodeOptions{api: func(o *api.Options) {
		o.Ready = func(context.Context) error {
			if broken.Load() {
				return errors.New("the disk is full")
			}
			return nil
		}
	}})
	get := func(path string) (int, map[string]any) {
		res, body := n.do(n.anonymous(), http.MethodGet, path, nil)
		var got map[string]any
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v in %q", path, err, body)
		}
		return res.StatusCode, got
	}
	if code, got := get("/readyz"); code != 200 || got["status"] != "ok" {
		t.Errorf("readyz: %d %v", code, got)
	}
	broken.Store(true)
	if code, got := get("/readyz"); code != 503 || fmt.Sprint(got) == "" || strings.Contains(fmt.Sprint(got), "disk") {
		t.Errorf("readyz when the store is not healthy: %d %v", code, got)
	}
	n.log.wait(t, "not ready", "the disk is full")
	if code, got := get("/livez"); code != 200 || got["status"] != "ok" {
		t.Errorf("livez: %d %v", code, got)
	}
	if code, got := get("/version"); code != 200 || got["version"] != "1.2.3" || got["go"] != runtime.Version() || got["store"] != "sqlite" {
		t.Errorf("version: %d %v", code, got)
	}
}

// TestOps reads the metrics and a profile.
func TestOps(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	n.post(n.person("anna", account.ServerUser), mePath, asJSON, "{}")
	n.post(n.anonymous(), mePath, asJSON, "{}")
	ops := httptest.NewServer(n.api.OpsHandler())
	t.Cleanup(ops.Close)
	get := func(path string) string {
		res, err := ops.Client().Get(ops.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, res.Status, err)
		}
		return string(body)
	}
	text := get("/metrics")
	for _, line := range []string{
		`muster_calls_total{code="ok",procedure="` + mePath + `"} 1`, `muster_calls_total{code="unauthenticated",procedure="` + mePath + `"} 1`,
		`muster_call_duration_seconds_count{procedure="` + mePath + `"} 2`, "muster_connections 10", "muster_people_online 7",
		"muster_group_messages_total 100", "muster_deliveries_total 1000", "muster_send_wait_seconds 0.001", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if !strings.Contains(get("/debug/pprof/goroutine?debug=1"), "goroutine profile") {
		t.Error("no profile of goroutines")
	}
	if res, _ := n.do(n.anonymous(), http.MethodGet, "/metrics", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("/metrics on the main port: %s", res.Status)
	}
}

// TestSlowBody ends requests whose bodies do not come, refused ones too, and
// leaves a slow answer alone.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{noWorkers: true, api: func(o *api.Options) { o.BodyTimeout = 50 * time.Millisecond }})
	c := n.person("anna", account.ServerUser)
	for _, test := range []struct{ name, path, token string }{
		{"a call", mePath, c.token}, {"a refused call", mePath, "nonsense"}, {"nothing", "/nowhere", ""},
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{", test.path, test.token); err != nil {
			t.Fatal(err)
		}
		// The end of the connection is what is waited for: without it, this
		// reads until the test is cut off.
		if _, err := io.Copy(io.Discard, bufio.NewReader(conn)); err != nil && !errors.Is(err, net.ErrClosed) && !isReset(err) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	room, group := n.places(c)
	stream := n.watchNew(c, room, group)
	time.Sleep(150 * time.Millisecond) // three times what a body may take: the stream is no body
	if _, err := c.enrolments.CancelEnrolment(t.Context(), connect.NewRequest(&v1.CancelEnrolmentRequest{EnrolmentId: stream.Msg().GetEnrolment().GetId()})); err != nil {
		t.Fatal(err)
	}
	if !stream.Receive() || stream.Msg().GetEnrolment().GetState() != v1.EnrolmentState_ENROLMENT_STATE_CANCELLED || stream.Receive() || stream.Err() != nil {
		t.Errorf("the stream: %v, %v", stream.Msg(), stream.Err())
	}
}

func isReset(err error) bool { return strings.Contains(err.Error(), "reset") }
