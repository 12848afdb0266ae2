package fhir

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// ServeHTTP answers any request under /fhir; the prefix may have been taken off
// already.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := acceptable(r)
	if err == nil {
		err = h.route(w, r)
	}
	if err == nil {
		return
	}
	p := problemOf(err)
	if p.status == http.StatusInternalServerError && r.Context().Err() == nil {
		h.c.Log.Error("fhir request failed", "method", r.Method, "error", err)
	}
	if p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	send(w, r, p.status, appendOutcome(nil, "error", p))
}

// acceptable refuses clients that want something else than JSON.
func acceptable(r *http.Request) error {
	no := notSupported(http.StatusNotAcceptable, "", "only JSON is spoken here: application/fhir+json")
	if f := r.URL.Query().Get("_format"); f != "" {
		// An unescaped plus arrives as a space.
		if isJSON(strings.ReplaceAll(f, " ", "+")) {
			return nil
		}
		return no
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return nil
	}
	for t := range strings.SplitSeq(accept, ",") {
		if kind, _, _ := mime.ParseMediaType(t); kind == "*/*" || kind == "application/*" || isJSON(kind) {
			return nil
		}
	}
	return no
}

func isJSON(t string) bool {
	if kind, _, err := mime.ParseMediaType(t); err == nil {
		t = kind
	}
	switch t {
	case "json", "application/json", "application/fhir+json", "text/json":
		return true
	}
	return false
}

// route finds out what is asked for and whether it may be.
func (h *Handler) route(w http.ResponseWriter, r *http.Request) error {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
	parts := strings.Split(path, "/")
	switch {
	case path == "":
		return notSupported(http.StatusMethodNotAllowed, "", "there are no interactions with the whole system; ask for a type")
	case path == "metadata":
		if err := h.allow(w, r, "fhir.metadata", http.MethodGet, http.MethodHead); err != nil {
			return err
		}
		return h.sendCapabilities(w, r)
	}
	t, ok := h.resourceType(parts[0])
	if !ok {
		return notSupported(http.StatusNotFound, "", "the type "+parts[0]+" is not served here; Patient, Device and Observation are")
	}
	switch {
	case len(parts) == 1:
		if r.Method == http.MethodPost {
			return h.allow(w, r, "", http.MethodGet, http.MethodHead)
		}
		return h.search(w, r, t, nil)
	case len(parts) == 2 && parts[1] == "_search":
		if err := h.allow(w, r, "", http.MethodPost); err != nil {
			return err
		}
		return h.search(w, r, t, nil)
	case len(parts) == 2 && parts[1] == "$lastn" && t.name == "Observation":
		if err := h.allow(w, r, "fhir.observation.lastn", http.MethodGet, http.MethodHead); err != nil {
			return err
		}
		return h.lastN(w, r)
	case len(parts) == 3 && t.name == "Patient" && parts[2] == "Observation":
		o, _ := h.resourceType("Observation")
		return h.search(w, r, o, url.Values{"patient": {"Patient/" + parts[1]}})
	case strings.HasPrefix(parts[len(parts)-1], "$"):
		return notSupported(http.StatusNotFound, "", "the operation "+parts[len(parts)-1]+" is not supported here")
	}
	return h.instance(w, r, t, parts[1:])
}

// A resourceType is how one type is searched, read and looked back on.
type resourceType struct {
	name    string
	action  string
	search  func(w http.ResponseWriter, r *http.Request, more url.Values) error
	read    func(w http.ResponseWriter, r *http.Request, id, version string) error
	history func(w http.ResponseWriter, r *http.Request, id string) error // nil when not kept
}

func (h *Handler) resourceType(name string) (resourceType, bool) {
	switch name {
	case "Observation":
		return resourceType{name, "observation", h.searchObservations, h.readObservation, h.observationHistory}, true
	case "Patient":
		return resourceType{name, "patient", h.searchPatients, h.readPatient, nil}, true
	case "Device":
		return resourceType{name, "device", h.searchDevices, h.readDevice, nil}, true
	}
	return resourceType{}, false
}

func (h *Handler) search(w http.ResponseWriter, r *http.Request, t resourceType, more url.Values) error {
	if err := h.allow(w, r, "fhir."+t.action+".search", http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
		return err
	}
	return t.search(w, r, more)
}

// instance answers what follows Type/: id, id/_history, id/_history/version.
func (h *Handler) instance(w http.ResponseWriter, r *http.Request, t resourceType, parts []string) error {
	if err := h.allow(w, r, "fhir."+t.action+".read", http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	switch {
	case len(parts) == 1:
		return t.read(w, r, parts[0], "")
	case len(parts) == 3 && parts[1] == "_history":
		return t.read(w, r, parts[0], parts[2])
	case len(parts) == 2 && parts[1] == "_history" && t.history != nil:
		return t.history(w, r, parts[0])
	}
	return notSupported(http.StatusNotFound, "", "there is nothing at this address")
}

// allow refuses methods that an address does not have, and asks the policy.
func (h *Handler) allow(w http.ResponseWriter, r *http.Request, action string, methods ...string) error {
	fits := false
	for _, m := range methods {
		fits = fits || m == r.Method
	}
	if !fits {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		return notSupported(http.StatusMethodNotAllowed, "", r.Method+" is not supported here")
	}
	if action == "" || h.c.Permit == nil {
		return nil
	}
	return h.c.Permit(r.Context(), vigil.Action(action))
}
