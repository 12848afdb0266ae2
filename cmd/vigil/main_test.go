package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this test binary as vigil.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"vigil": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// TestScripts runs the whole binary as its users do.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready,
			"http":  request,
			"field": field,
			"until": until,
			"gone":  gone,
		},
		Condition: func(name string) (bool, error) {
			if program, ok := strings.CutPrefix(name, "have:"); ok {
				_, err := os.Stat("/usr/bin/" + program)
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("VIGIL_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("VIGIL_HTTP", "127.0.0.1:"+freePort(t))
			e.Setenv("OTHER_HTTP", "127.0.0.1:"+freePort(t))
			e.Setenv("VIGIL_MQTT", "127.0.0.1:"+freePort(t))
			_, port, _ := net.SplitHostPort(e.Getenv("VIGIL_MQTT"))
			e.Setenv("MQTT_PORT", port)
			return nil
		},
	})
}

// freePort finds a port that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// patience bounds every wait for another process.
const patience = 30 * time.Second

// attempt calls f until it is satisfied or patience is at its end.
func attempt(ts *testscript.TestScript, what string, f func() bool) {
	deadline := time.Now().Add(patience)
	for !f() {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ready waits until the server answers /readyz with 200.
func ready(ts *testscript.TestScript, _ bool, _ []string) {
	attempt(ts, "the server", func() bool {
		resp, err := http.Get("http://" + ts.Getenv("VIGIL_HTTP") + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// gone waits until nobody listens any more.
func gone(ts *testscript.TestScript, _ bool, _ []string) {
	attempt(ts, "the end of the server", func() bool {
		conn, err := net.Dial("tcp", ts.Getenv("VIGIL_HTTP"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// request is: http METHOD PATH [user:password] [BODY-FILE]. It prints the
// status and the body.
func request(ts *testscript.TestScript, neg bool, args []string) {
	status, body := send(ts, args)
	fmt.Fprintf(ts.Stdout(), "%d\n%s\n", status, body)
	if failed := status >= http.StatusBadRequest; failed != neg {
		ts.Fatalf("%s: status %d: %s", strings.Join(args, " "), status, body)
	}
}

// send performs a request.
func send(ts *testscript.TestScript, args []string) (int, string) {
	var body io.Reader
	if len(args) > 3 {
		body = strings.NewReader(ts.ReadFile(args[3]))
	}
	req, err := http.NewRequest(args[0], "http://"+ts.Getenv("VIGIL_HTTP")+args[1], body)
	ts.Check(err)
	if len(args) > 2 {
		if user, password, ok := strings.Cut(args[2], ":"); ok {
			req.SetBasicAuth(user, password)
		}
	}
	if strings.HasPrefix(args[1], "/ingest/v1/messages") {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return resp.StatusCode, string(text)
}

// until is: until TEXT PATH. It fetches the path until the body holds the text.
func until(ts *testscript.TestScript, _ bool, args []string) {
	last := ""
	attempt(ts, args[0]+" at "+args[1], func() bool {
		_, last = send(ts, []string{http.MethodGet, args[1]})
		return strings.Contains(last, args[0])
	})
	fmt.Fprintln(ts.Stdout(), last)
}

// field is: field NAME KEY FILE. It puts a key of a JSON object, or of the
// first object of a list under a key (entries.0.id), into the environment.
func field(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	text := ts.ReadFile(args[2])
	if i := strings.IndexAny(text, "{["); i > 0 {
		text = text[i:]
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	ts.Check(d.Decode(&v))
	for _, key := range strings.Split(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if i >= len(at) {
				ts.Fatalf("%s: the list has %d elements", args[1], len(at))
			}
			v = at[i]
		}
	}
	if v == nil {
		ts.Fatalf("there is no %s in %s", args[1], text)
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}
