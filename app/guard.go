package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// localKey marks requests that came over the socket in the data folder.
type localKey struct{}

// markLocal is the ConnContext of the socket's server.
func markLocal(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, localKey{}, true)
}

// isLocal tells whether a request came over the socket in the data folder.
func isLocal(r *http.Request) bool {
	local, _ := r.Context().Value(localKey{}).(bool)
	return local
}

// trusted names the actor of requests over the socket: its owner.
func trusted(r *http.Request) (vigil.Actor, bool) {
	return vigil.LocalAdmin(), isLocal(r)
}

// guard names the actor of every request: the owner of the installation on the
// socket, the token's role with a bearer token, and otherwise a reader at this
// machine's own browser. It turns away browsers that were sent here by a page
// of another origin, or by a name that was made to point here.
func guard(bearer func(string) (vigil.Actor, error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, err := actorOf(bearer, r)
		if err != nil {
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(vigil.WithActor(r.Context(), actor)))
	})
}

// actorOf finds out who asks.
func actorOf(bearer func(string) (vigil.Actor, error), r *http.Request) (vigil.Actor, error) {
	if isLocal(r) {
		return vigil.LocalAdmin(), nil
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer(token)
	}
	if !loopback(r.RemoteAddr) {
		return vigil.Actor{}, vigil.Errorf(vigil.Unknown, "a bearer token is needed from another machine")
	}
	if !loopback(r.Host) {
		return vigil.Actor{}, vigil.Errorf(vigil.Forbidden, "this name does not belong to this server; use 127.0.0.1 or localhost")
	}
	if o := r.Header.Get("Origin"); o != "" {
		u, err := url.Parse(o)
		if err != nil || u.Host != r.Host {
			return vigil.Actor{}, vigil.Errorf(vigil.Forbidden, "requests from pages of another origin are refused")
		}
	}
	return vigil.Actor{Kind: vigil.Person, ID: "local-browser", Roles: []string{"bedside"}}, nil
}

// loopback tells whether a host, with or without a port, is this machine.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// permits says which actions each role may do, as prefixes; "" is all.
func permits(role string) []string {
	switch role {
	case "admin":
		return []string{""}
	case "engineer":
		return []string{
			"device.", "location.", "profile.", "quarantine.", "reading.", "series.", "wave.", "event.", "stay.",
			"assignment.", "reattribution.", "wall.", "system.", "health.", "patient.read", "patient.search", "patient.list", "fhir.",
			"record.device.", "record.devicemetric.", "record.devicedefinition.", "live.",
		}
	case "clinician":
		return []string{
			"patient.", "stay.", "assignment.", "reattribution.", "device.assign", "device.unassign", "device.read", "device.search",
			"device.list", "location.", "reading.", "series.", "wave.", "event.", "wall.", "system.", "health.",
			"profile.read", "profile.list", "profile.search", "quarantine.", "fhir.", "record.", "live.",
		}
	case "bedside":
		return append(permits("reader"), "quarantine.", "profile.check", "profile.try")
	case "reader":
		return []string{
			"patient.read", "patient.search", "patient.list", "device.read", "device.search", "device.list",
			"location.read", "location.search", "location.list", "stay.read", "stay.search", "stay.list",
			"assignment.read", "assignment.search", "assignment.list", "reattribution.", "reading.", "series.", "wave.", "event.", "wall.",
			"system.", "health.", "profile.read", "profile.search", "profile.list", "quarantine.read",
			"quarantine.search", "quarantine.list", "fhir.", "live.",
		}
	}
	return nil
}

// permit decides whether an actor may do an action. It is the one place where
// policy sits.
func permit(a vigil.Actor, action vigil.Action) error {
	for _, role := range a.Roles {
		if slices.ContainsFunc(permits(role), func(p string) bool { return strings.HasPrefix(string(action), p) }) {
			return nil
		}
	}
	return vigil.Errorf(vigil.Forbidden,
		"%s is not allowed here; use the command line on the server, or a token with a role that may", action)
}

// permitted is permit for plain handlers: it guards everything behind it with
// one action.
func permitted(action vigil.Action, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, _ := vigil.ActorFrom(r.Context())
		if err := permit(a, action); err != nil {
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers with a problem document (RFC 9457).
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusForbidden
	switch kind := vigil.KindOf(err); {
	case kind == vigil.Unknown:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", "Bearer")
	case kind == vigil.Unavailable:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]any{"status": status, "title": http.StatusText(status), "detail": err.Error()})
	_, _ = w.Write(body)
}
