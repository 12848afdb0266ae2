package app

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// TestGuard: who is let in from where, and as whom.
func TestGuard(t *testing.T) {
	const here, there = "127.0.0.1:40000", "192.0.2.7:40000"
	bearer := func(token string) (vigil.Actor, error) {
		if token == "later" {
			return vigil.Actor{}, vigil.Errorf(vigil.Unavailable, "the database does not answer")
		}
		if token != "good" {
			return vigil.Actor{}, vigil.Errorf(vigil.Unknown, "this token is not valid")
		}
		return vigil.Actor{ID: "token:1", Roles: []string{"reader"}}, nil
	}
	for _, c := range []struct {
		says, from, host, origin, token string
		local                           bool
		status                          int
		actor                           string
	}{
		{says: "this machine's browser", from: here, host: "127.0.0.1:8080", status: 200, actor: "local-browser"},
		{says: "its own page", from: here, host: "localhost:8080", origin: "http://localhost:8080", status: 200, actor: "local-browser"},
		{says: "IPv6", from: "[::1]:40000", host: "[::1]:8080", status: 200, actor: "local-browser"},
		{says: "a name that was made to point here", from: here, host: "evil.example:8080", status: 403},
		{says: "a name that looks like an address", from: here, host: "127.0.0.1.evil.example", status: 403},
		{says: "a page of another origin", from: here, host: "127.0.0.1:8080", origin: "http://evil.example", status: 403},
		{says: "a page of another port", from: here, host: "127.0.0.1:8080", origin: "http://127.0.0.1:9999", status: 403},
		{says: "a sandboxed page", from: here, host: "127.0.0.1:8080", origin: "null", status: 403},
		{says: "another machine", from: there, host: "127.0.0.1:8080", status: 401},
		{says: "another machine with a token", from: there, host: "ward.example", token: "good", status: 200, actor: "token:1"},
		{says: "a wrong token is not this machine's browser", from: here, host: "127.0.0.1:8080", token: "bad", status: 401},
		{says: "while tokens cannot be read", from: there, host: "ward.example", token: "later", status: 503},
		{says: "the socket", from: "@", host: "vigil", local: true, status: 200, actor: "local-admin"},
	} {
		t.Run(c.says, func(t *testing.T) {
			var seen vigil.Actor
			h := guard(bearer, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen, _ = vigil.ActorFrom(r.Context()) }))
			r := httptest.NewRequest(http.MethodGet, "/ws/events", nil)
			r.RemoteAddr, r.Host = c.from, c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			if c.local {
				r = r.WithContext(markLocal(r.Context(), nil))
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || seen.ID != c.actor {
				t.Errorf("got %d as %q, want %d as %q", w.Code, seen.ID, c.status, c.actor)
			}
			if later := w.Header().Get("Retry-After"); (w.Code == http.StatusServiceUnavailable) != (later != "") {
				t.Errorf("status %d with Retry-After %q", w.Code, later)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (w.Code == http.StatusUnauthorized) != (challenge == "Bearer") {
				t.Errorf("status %d with challenge %q", w.Code, challenge)
			}
		})
	}
}

// TestRoles: what each role may do; nobody may do what is not listed.
func TestRoles(t *testing.T) {
	roles := []string{"admin", "engineer", "clinician", "bedside", "reader", "", "nonsense"}
	for action, may := range map[vigil.Action]string{
		"reading.search":        "admin engineer clinician bedside reader",
		"fhir.read":             "admin engineer clinician bedside reader",
		"record.patient.create": "admin clinician",
		"record.device.update":  "admin engineer clinician",
		"live.events":           "admin engineer clinician bedside reader",
		"reattribution.search":  "admin engineer clinician bedside reader",
		"patient.read":          "admin engineer clinician bedside reader",
		"patient.register":      "admin clinician",
		"device.register":       "admin engineer",
		"device.update":         "admin engineer",
		"device.renew-secret":   "admin engineer",
		"device.assign":         "admin engineer clinician",
		"stay.admit":            "admin engineer clinician",
		"quarantine.replay":     "admin engineer clinician bedside",
		"profile.try":           "admin engineer bedside",
		"token.create":          "admin",
		"token.search":          "admin",
		"something.else":        "admin",
	} {
		for _, role := range roles {
			err := permit(vigil.Actor{Roles: []string{role}}, action)
			if want := slices.Contains(strings.Fields(may), role); (err == nil) != want {
				t.Errorf("%s as %q: %v, want it allowed: %v", action, role, err, want)
			}
			if err != nil && vigil.KindOf(err) != vigil.Forbidden {
				t.Errorf("%s as %q: %v", action, role, err)
			}
		}
	}
}

// TestSettings: flags override the environment, the environment the file; every
// mistake is named.
func TestSettings(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"VIGIL_MQTT": "127.0.0.1:2", "VIGIL_HTTP": "127.0.0.1:2"}[name]
		return v, ok
	}
	c, list, err := Load(map[string]string{"http": "127.0.0.1:3"}, env)
	if err != nil || c.HTTP != "127.0.0.1:3" || c.MQTT != "127.0.0.1:2" {
		t.Fatalf("got %+v, %v", c, err)
	}
	for _, s := range list {
		if want := map[string]string{"http": "flag --http", "mqtt": "environment VIGIL_MQTT", "db": "default"}[s.Name]; want != "" && s.Origin != want {
			t.Errorf("%s comes from %q, want %q", s.Name, s.Origin, want)
		}
	}
	_, _, err = Load(map[string]string{
		"log-level": "loud", "checkpoint": "0", "watchdog": "nowhere", "quarantine-max": "0", "partitions": "0", "keep": "-1d", "min-free": "lots", "http": "0.0.0.0:80",
		"nats-monitor": "nats:8222", "nats-replicas": "2",
	}, func(string) (string, bool) { return "", false })
	for _, name := range []string{"log-level", "checkpoint", "watchdog", "quarantine-max", "partitions", "keep", "min-free", "http", "nats-monitor", "nats-replicas"} {
		if err == nil || !strings.Contains(err.Error(), "setting "+name) {
			t.Errorf("nothing is said about %s: %v", name, err)
		}
	}
}
