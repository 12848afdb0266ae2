package topic_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/topic"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// valid fails when a notification is not FHIR R4.
func valid(t *testing.T, d delivery) {
	t.Helper()
	doc, err := tree.Parse([]byte(d.raw))
	if err != nil {
		t.Fatalf("%v: %s", err, d.raw)
	}
	for _, i := range checker().Check(doc, check.Options{Level: check.Rules}) {
		if i.Severity >= check.Error {
			t.Errorf("%s: %s\n%s", i.Expression, i.Message, d.raw)
		}
	}
}

func TestRestHook(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	made := s.want(201, "POST", "Subscription", spec{
		topic: "observation", endpoint: h.URL + "/in", content: "full-resource", mime: "application/fhir+json",
		filters: []string{"Observation?patient=Patient/ada&value-quantity=gt100"}, headers: []string{"Authorization: Bearer secret"},
	}.body(""))
	if text(made, "status") != "requested" {
		t.Errorf("a new subscription is %s", text(made, "status"))
	}
	id := text(made, "id")
	first := h.of(t, "handshake")
	valid(t, first)
	if got := text(parameter(first.bundle, "status")[0], "valueCode"); got != "requested" {
		t.Errorf("the handshake says that the status is %s", got)
	}
	s.status(id, "active")

	s.observe("ada", "72")
	s.observe("bo", "120")
	high := s.observe("ada", "120")
	d := h.of(t, "event-notification")
	valid(t, d)
	if d.method != "POST" || d.path != "/in" || d.header.Get("Content-Type") != "application/fhir+json" || d.header.Get("Authorization") != "Bearer secret" {
		t.Errorf("got %s %s %v", d.method, d.path, d.header)
	}
	if got := events(d.bundle); !slices.Equal(got, []string{"1/Observation/" + high}) {
		t.Errorf("events %v", got)
	}
	if text(d.bundle, "type") != "history" || text(d.bundle, "entry", 1, "resource", "valueQuantity", "value") != "120" ||
		text(d.bundle, "entry", 1, "fullUrl") != base+"/Observation/"+high || text(d.bundle, "entry", 1, "request", "method") != "POST" ||
		text(d.bundle, "entry", 0, "request", "url") != base+"/Subscription/"+id+"/$status" {
		t.Errorf("the notification: %s", d.raw)
	}

	// An update is an event, too; what no longer fits is none.
	s.want(200, "PUT", "Observation/"+high, `{"id":"`+high+`",`+heartRate("ada", "130")[1:])
	d = h.of(t, "event-notification")
	if got := events(d.bundle); !slices.Equal(got, []string{"2/Observation/" + high}) || text(d.bundle, "entry", 1, "request", "method") != "PUT" {
		t.Errorf("events %v: %s", got, d.raw)
	}
	s.want(200, "PUT", "Observation/"+high, `{"id":"`+high+`",`+heartRate("ada", "90")[1:])

	// The secret is never shown again, in no version.
	for _, target := range []string{"Subscription/" + id, "Subscription/" + id + "/_history", "Subscription"} {
		_, out := s.do("GET", target, "")
		if raw := flat(out); strings.Contains(raw, "secret") || !strings.Contains(raw, "sealed.") {
			t.Errorf("GET %s: %s", target, raw)
		}
	}
	// What was read can be written back, and still works.
	kept := s.want(200, "GET", "Subscription/"+id, "")
	s.want(200, "PUT", "Subscription/"+id, flat(kept))
	if d := h.of(t, "handshake"); d.header.Get("Authorization") != "Bearer secret" {
		t.Errorf("headers after a rewrite: %v", d.header)
	}
	// But not to another host.
	kept["channel"].(map[string]any)["endpoint"] = "http://127.0.0.1:1/in"
	s.want(422, "PUT", "Subscription/"+id, flat(kept))
}

func TestContent(t *testing.T) {
	s := newSite(t, nil)
	for _, level := range []string{"empty", "id-only", "full-resource"} {
		t.Run(level, func(t *testing.T) {
			h := newHook(t)
			id := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: level, mime: "application/fhir+json"})
			h.of(t, "handshake")
			s.status(id, "active")
			s.observe("ada", "72")
			d := h.of(t, "event-notification")
			valid(t, d)
			entries, _ := d.bundle["entry"].([]any)
			focus := strings.Contains(d.raw, "/Observation/")
			topics := len(parameter(d.bundle, "topic"))
			if wants := map[string][3]int{"empty": {1, 0, 0}, "id-only": {1, 1, 1}, "full-resource": {2, 1, 1}}[level]; len(entries) != wants[0] || focus != (wants[1] == 1) || topics != wants[2] {
				t.Errorf("%d entries, focus %t, %d topics: %s", len(entries), focus, topics, d.raw)
			}
			s.want(204, "DELETE", "Subscription/"+id, "")
		})
	}
}

func TestXML(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "full-resource", mime: "application/fhir+xml"})
	if d := h.next(t); d.header.Get("Content-Type") != "application/fhir+xml" || !strings.Contains(d.raw, `<valueCode value="handshake"`) {
		t.Errorf("%v %s", d.header, d.raw)
	}
	s.observe("ada", "72")
	if d := h.next(t); !strings.Contains(d.raw, `<Observation `) && !strings.Contains(d.raw, `<Observation>`) || !strings.Contains(d.raw, `<valueString value="1"`) {
		t.Errorf("%s", d.raw)
	}
}

func TestPlainCriteria(t *testing.T) {
	s, empty, full := newSite(t, nil), newHook(t), newHook(t)
	a := s.subscribe(spec{criteria: "Observation?code=http://loinc.org|8867-4&patient=ada", endpoint: empty.URL + "/ping"})
	b := s.subscribe(spec{criteria: "Observation?code=8867-4", endpoint: full.URL + "/fhir", mime: "application/fhir+json"})
	s.status(a, "active")
	s.status(b, "active")
	s.observe("bo", "71")
	ada := s.observe("ada", "72")
	if d := empty.next(t); d.method != "POST" || d.path != "/ping" || d.raw != "" {
		t.Errorf("got %s %s %q, want an empty POST", d.method, d.path, d.raw)
	}
	full.next(t)
	if d := full.next(t); d.method != "PUT" || d.path != "/fhir/Observation/"+ada || text(d.bundle, "valueQuantity", "value") != "72" {
		t.Errorf("got %s %s %q, want an update", d.method, d.path, d.raw)
	}
	if len(empty.got) > 0 || len(full.got) > 0 {
		t.Error("more came")
	}
}

func TestAnyResource(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	id := s.subscribe(spec{topic: "resource", endpoint: h.URL, content: "full-resource", filters: []string{"Encounter?status=finished", "Patient?gender=female"}})
	h.of(t, "handshake")
	s.status(id, "active")
	encounter := func(id, status string) string {
		return `{"resourceType":"Encounter","id":"` + id + `","status":"` + status + `","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}}`
	}
	s.want(201, "PUT", "Encounter/e1", encounter("e1", "in-progress"))
	s.want(200, "PUT", "Encounter/e1", encounter("e1", "finished"))
	s.want(201, "PUT", "Patient/ada", `{"resourceType":"Patient","id":"ada","gender":"female"}`)
	s.want(201, "PUT", "Patient/bo", `{"resourceType":"Patient","id":"bo","gender":"male"}`)
	s.observe("ada", "72")
	s.want(204, "DELETE", "Patient/ada", "")
	var got []string
	var last delivery
	for len(got) < 3 {
		last = h.of(t, "event-notification")
		valid(t, last)
		got = append(got, events(last.bundle)...)
	}
	if want := []string{"1/Encounter/e1", "2/Patient/ada", "3/Patient/ada"}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if !strings.Contains(last.raw, `"DELETE"`) {
		t.Errorf("the last: %s", last.raw)
	}
}

func TestAlerts(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	id := s.subscribe(spec{topic: "alert", endpoint: h.URL, content: "id-only"})
	h.of(t, "handshake")
	s.status(id, "active")
	s.observe("ada", "72")
	critical := strings.Replace(heartRate("ada", "190"), `"valueQuantity"`, `"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"HH"}]}],"valueQuantity"`, 1)
	o := text(s.want(201, "POST", "Observation", critical), "id")
	if got := events(h.of(t, "event-notification").bundle); !slices.Equal(got, []string{"1/Observation/" + o}) {
		t.Errorf("events %v", got)
	}
	f := text(s.want(201, "POST", "Flag", `{"resourceType":"Flag","status":"active","code":{"text":"falls"},"subject":{"reference":"Patient/ada"}}`), "id")
	if got := events(h.of(t, "event-notification").bundle); !slices.Equal(got, []string{"2/Flag/" + f}) {
		t.Errorf("events %v", got)
	}
}

func TestRefused(t *testing.T) {
	s := newSite(t, nil)
	const there = "http://127.0.0.1:9/x"
	for name, p := range map[string]spec{
		"a topic that nobody knows":         {topic: "weather", endpoint: there},
		"a filter that the topic has not":   {topic: "observation", endpoint: there, filters: []string{"Observation?_text=x"}},
		"a modifier that the topic has not": {topic: "vital-signs", endpoint: there, filters: []string{"code:text=x"}},
		"a chain":                           {topic: "resource", endpoint: there, filters: []string{"Encounter?patient.name=x"}},
		"a result parameter":                {topic: "resource", endpoint: there, filters: []string{"Encounter?_sort=date"}},
		"a parameter that nobody knows":     {topic: "resource", endpoint: there, filters: []string{"Encounter?colour=red"}},
		"a type that is not in the topic":   {topic: "vital-signs", endpoint: there, filters: []string{"Patient?name=x"}},
		"any resource without a type":       {topic: "resource", endpoint: there},
		"a host that is not allowed":        {topic: "observation", endpoint: "https://example.org/x"},
		"another way to write loopback":     {topic: "observation", endpoint: "http://2130706433/x"},
		"user information":                  {topic: "observation", endpoint: "http://a@127.0.0.1/x"},
		"another scheme":                    {topic: "observation", endpoint: "file:///etc/passwd"},
		"no endpoint":                       {topic: "observation"},
		"e-mail":                            {topic: "observation", channel: "email", endpoint: "mailto:a@b.c"},
		"a header of the connection":        {topic: "observation", endpoint: there, headers: []string{"Host: x"}},
		"a header without a value":          {topic: "observation", endpoint: there, headers: []string{"x"}},
		"a payload of another kind":         {topic: "observation", endpoint: there, mime: "text/plain"},
		"content of another level":          {topic: "observation", endpoint: there, content: "all"},
		"criteria that are no search":       {criteria: "Weather?x=y", endpoint: there},
		"criteria with what nobody knows":   {criteria: "Observation?colour=red", endpoint: there},
		"filters on criteria":               {criteria: "Observation?code=1", endpoint: there, filters: []string{"code=2"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, out := s.do("POST", "Subscription", p.body(""))
			if status != 422 || text(out, "resourceType") != "OperationOutcome" || text(out, "issue", 0, "diagnostics")+text(out, "issue", 0, "details", "text") == "" {
				t.Errorf("got %d %s", status, flat(out))
			}
		})
	}
}

func TestDead(t *testing.T) {
	s, dead, alive := newSite(t, nil), newHook(t), newHook(t)
	a := s.subscribe(spec{topic: "vital-signs", endpoint: dead.URL, content: "id-only"})
	b := s.subscribe(spec{topic: "vital-signs", endpoint: alive.URL, content: "id-only"})
	dead.of(t, "handshake")
	alive.of(t, "handshake")
	s.status(a, "active")
	s.status(b, "active")
	dead.answer(http.StatusInternalServerError)
	s.observe("ada", "72")
	alive.of(t, "event-notification")
	s.status(a, "error")
	if e := text(s.want(200, "GET", "Subscription/"+a, ""), "error"); e != "the endpoint answered with status 500" {
		t.Errorf("the error is %q", e)
	}
	s.observe("ada", "73")
	alive.of(t, "event-notification")
	if got := text(parameter(s.want(200, "GET", "Subscription/"+a+"/$status", ""), "status")[0], "valueCode"); got != "error" {
		t.Errorf("$status says %s", got)
	}

	// When it is back and says so, it gets what it missed.
	dead.answer(http.StatusOK)
	kept := s.want(200, "GET", "Subscription/"+a, "")
	s.want(200, "PUT", "Subscription/"+a, flat(kept))
	dead.of(t, "handshake")
	var got []string
	for len(got) < 2 {
		got = append(got, events(dead.of(t, "event-notification").bundle)...)
	}
	if !strings.HasPrefix(got[0], "1/") || !strings.HasPrefix(got[1], "2/") {
		t.Errorf("events %v", got)
	}
	s.status(a, "active")
}

func TestRefusedHandshake(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	h.answer(http.StatusForbidden)
	id := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only"})
	s.status(id, "error")
}

func TestSlow(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	slow := newSlow(t)
	a := s.subscribe(spec{topic: "vital-signs", endpoint: slow.URL, content: "id-only", timeout: 1})
	b := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only"})
	h.of(t, "handshake")
	s.status(b, "active")
	s.observe("ada", "72")
	h.of(t, "event-notification")
	s.status(a, "error")
	if e := text(s.want(200, "GET", "Subscription/"+a, ""), "error"); !strings.Contains(e, "1s") {
		t.Errorf("the error is %q", e)
	}
}

func TestBatches(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	id := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only", count: 3})
	h.of(t, "handshake")
	s.status(id, "active")
	s.stop()
	for range 8 {
		s.observe("ada", "72")
	}
	s.close()
	s.open()
	var sizes []int
	n := 0
	for n < 8 {
		got := events(h.of(t, "event-notification").bundle)
		sizes, n = append(sizes, len(got)), n+len(got)
	}
	if slices.Max(sizes) > 3 {
		t.Errorf("%v events at once, want at most 3", sizes)
	}
}

func TestEndAndHeartbeat(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	end := time.Now().Add(1500 * time.Millisecond).UTC().Format(time.RFC3339Nano)
	id := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only", heartbeat: 1, end: end})
	h.of(t, "handshake")
	d := h.of(t, "heartbeat")
	valid(t, d)
	s.status(id, "off")
	s.observe("ada", "72")
	if n := len(parameter(s.want(200, "GET", "Subscription/"+id+"/$events", ""), "notification-event")); n > 0 || len(h.got) > 0 {
		t.Errorf("%d events after the end", n)
	}
}

func TestEndpoints(t *testing.T) {
	for _, c := range []struct {
		allowed topic.Endpoints
		url     string
		ok      bool
	}{
		{nil, "https://example.org/", false},
		{topic.Endpoints{"*"}, "https://example.org/", true},
		{topic.Endpoints{"*"}, "http://example.org/", false},
		{topic.Endpoints{"*.example.org"}, "https://a.example.org/", true},
		{topic.Endpoints{"*.example.org"}, "https://example.org/", false},
		{topic.Endpoints{"*.example.org"}, "https://evilexample.org/", false},
		{topic.Endpoints{"ehr:8080"}, "http://ehr:8080/", true},
		{topic.Endpoints{"ehr:8080"}, "http://ehr:22/", false},
		{topic.Endpoints{"EHR"}, "http://ehr:22/", true},
	} {
		if got := topic.Allows(c.allowed, c.url); got != c.ok {
			t.Errorf("%v, %s: %t, want %t", c.allowed, c.url, got, c.ok)
		}
	}
	for _, c := range []struct {
		allowed   topic.Endpoints
		url, addr string
		ok        bool
	}{
		{topic.Endpoints{"*"}, "https://example.org/", "93.184.216.34", true},
		{topic.Endpoints{"*"}, "https://example.org/", "127.0.0.1", false},
		{topic.Endpoints{"*"}, "https://example.org/", "::1", false},
		{topic.Endpoints{"*"}, "https://example.org/", "::ffff:10.0.0.1", false},
		{topic.Endpoints{"*"}, "https://example.org/", "10.0.0.1", false},
		{topic.Endpoints{"*"}, "https://example.org/", "169.254.169.254", false},
		{topic.Endpoints{"*"}, "https://example.org/", "fd00::1", false},
		{topic.Endpoints{"*"}, "https://example.org/", "100.64.0.1", false},
		{topic.Endpoints{"*"}, "https://127.0.0.1/", "127.0.0.1", false},
		{topic.Endpoints{"ehr"}, "http://ehr/", "10.0.0.1", true},
		{topic.Endpoints{"ehr"}, "http://ehr/", "127.0.0.1", false},
		{topic.Endpoints{"ehr"}, "http://ehr/", "169.254.169.254", false},
		{topic.Endpoints{"localhost"}, "http://localhost/", "127.0.0.1", true},
		{topic.Endpoints{"127.0.0.1"}, "http://127.0.0.1:80/", "127.0.0.1", true},
		{topic.Endpoints{"0.0.0.0"}, "http://0.0.0.0/", "0.0.0.0", false},
	} {
		if got := topic.Dialable(c.allowed, c.url, c.addr); got != c.ok {
			t.Errorf("%v, %s at %s: %t, want %t", c.allowed, c.url, c.addr, got, c.ok)
		}
	}
}
