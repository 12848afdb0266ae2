package rest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/rest"
)

const (
	uuid1 = "urn:uuid:11111111-1111-4111-8111-111111111111"
	uuid2 = "urn:uuid:22222222-2222-4222-8222-222222222222"
)

// entryOf is an entry of a Bundle.
func entryOf(fullURL, method, url, resource string, more ...string) string {
	e := `{`
	if fullURL != "" {
		e += fmt.Sprintf(`"fullUrl":%q,`, fullURL)
	}
	if resource != "" {
		e += `"resource":` + resource + `,`
	}
	return e + fmt.Sprintf(`"request":{"method":%q,"url":%q%s}}`, method, url, strings.Join(more, ""))
}

func bundleOf(kind string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
}

func observation(subject string, more ...string) string {
	return `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"` +
		subject + `"}` + strings.Join(more, "") + `}`
}

// placed returns the ids that the entries of a response name.
func placed(a reply) (out []string) {
	for _, e := range a.entries() {
		parts := strings.Split(strings.TrimPrefix(fmt.Sprint(dig(e, "response", "location")), base+"/"), "/")
		if len(parts) < 2 {
			out = append(out, "")
			continue
		}
		out = append(out, parts[1])
	}
	return out
}

func TestTransactionRewritesLinks(t *testing.T) {
	s := newSite(t)
	o := observation(uuid1, `,"identifier":[{"system":"urn:ietf:rfc:3986","value":"`+uuid1+`"}]`,
		`,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"`+uuid1+`\">`+uuid1+`</a> <a href='`+uuid2+`#x'>me</a></div>"}`,
		`,"extension":[{"url":"http://e/uri","valueUri":"`+uuid1+`"},{"url":"http://e/canonical","valueCanonical":"`+uuid1+`"},{"url":"http://e/string","valueString":"`+uuid1+`"}]`,
		`,"_status":{"extension":[{"url":"http://e/ref","valueReference":{"reference":"`+uuid2+`"}}]}`,
		`,"contained":[{"resourceType":"Device","id":"d","patient":{"reference":"`+uuid1+`"}}],"device":{"reference":"#d"}`)
	a := s.want(200, "POST", "", bundleOf("transaction", entryOf(uuid2, "POST", "Observation", o), entryOf(uuid1, "POST", "Patient", patient("T"))))
	ids := placed(a)
	if a.text("type") != "transaction-response" || a.text("entry", 0, "response", "status") != "201 Created" || a.text("entry", 0, "response", "etag") != `W/"1"` {
		t.Fatalf("response: %s", a.raw)
	}
	if strings.Contains(ids[0], "1111") || a.at("entry", 0, "resource") != nil {
		t.Errorf("response: %s", a.raw)
	}
	r := s.want(200, "GET", "Observation/"+ids[0], "")
	p := "Patient/" + ids[1]
	for path, want := range map[string]string{
		"subject reference": p, "identifier 0 value": uuid1, "extension 0 valueUri": p, "extension 1 valueCanonical": uuid1, "extension 2 valueString": uuid1,
		"_status extension 0 valueReference reference": "Observation/" + ids[0], "contained 0 patient reference": p, "device reference": "#d",
		"text div": `<div xmlns="http://www.w3.org/1999/xhtml"><a href="` + p + `">` + uuid1 + `</a> <a href='Observation/` + ids[0] + `#x'>me</a></div>`,
	} {
		var steps []any
		for _, x := range strings.Fields(path) {
			if x == "0" || x == "1" || x == "2" {
				steps = append(steps, int(x[0]-'0'))
				continue
			}
			steps = append(steps, x)
		}
		if got := r.text(steps...); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if len(s.search("Observation?subject="+p)) != 1 {
		t.Error("what was rewritten is not found")
	}
}

// search returns the ids of what a search matches.
func (s *site) search(query string) []string {
	s.t.Helper()
	return s.want(200, "GET", query, "").ids("match")
}

func TestTransactionLinksByAddress(t *testing.T) {
	s := newSite(t)
	a := s.want(200, "POST", "", bundleOf("transaction",
		entryOf("http://old/fhir/Patient/9", "POST", "Patient", patient("T")),
		entryOf("http://old/fhir/Observation/9", "POST", "Observation", observation("Patient/9")),
		entryOf("http://other/fhir/Observation/9", "POST", "Observation", observation("Patient/9")),
		entryOf("", "PUT", "Patient/fixed", patient("U", `,"id":"fixed"`)),
		entryOf(uuid1, "POST", "Observation", observation("Patient/fixed")),
		entryOf(uuid2, "POST", "Observation", observation("http://old/fhir/Patient/9")),
	))
	ids := placed(a)
	for i, want := range map[int]string{1: "Patient/" + ids[0], 2: "Patient/9", 4: "Patient/fixed", 5: "Patient/" + ids[0]} {
		if got := s.want(200, "GET", "Observation/"+ids[i], "").text("subject", "reference"); got != want {
			t.Errorf("entry %d: got %s, want %s", i, got, want)
		}
	}
}

func TestTransactionsAreWholeOrNotThere(t *testing.T) {
	s := newSite(t)
	s.want(201, "PUT", "Patient/p1", patient("One", `,"id":"p1"`))
	good := entryOf(uuid1, "POST", "Patient", patient("Ghost"))
	for name, tt := range map[string]struct {
		entries []string
		status  int
		code    string
		where   string
	}{
		"version":    {[]string{good, entryOf("", "PUT", "Patient/p1", patient("x", `,"id":"p1"`), `,"ifMatch":"W/\"7\""`)}, 412, "conflict", "Bundle.entry[1]"},
		"invalid":    {[]string{good, entryOf("", "POST", "Observation", `{"resourceType":"Observation","status":"final"}`)}, 422, "required", "Bundle.entry[1].resource"},
		"dangling":   {[]string{good, entryOf("", "POST", "Observation", observation(uuid2))}, 422, "not-found", "Bundle.entry[1].resource.subject.reference"},
		"reference":  {[]string{good, entryOf("", "POST", "Observation", observation("Patient?identifier=none|x"))}, 412, "not-found", "Bundle.entry[1].resource.subject.reference"},
		"twice":      {[]string{good, entryOf("", "PUT", "Patient/p2", patient("x", `,"id":"p2"`)), entryOf("", "PUT", "Patient/p2", patient("x", `,"id":"p2"`))}, 400, "invalid", "Bundle.entry[2].request.url"},
		"same name":  {[]string{good, entryOf(uuid1, "POST", "Patient", patient("x"))}, 400, "invalid", "Bundle.entry[1].resource"},
		"read":       {[]string{good, entryOf("", "GET", "Patient/nobody", "")}, 404, "not-found", "Bundle.entry[1]"},
		"method":     {[]string{good, entryOf("", "BREW", "Patient", "")}, 400, "value", "Bundle.entry[1].request.method"},
		"elsewhere":  {[]string{good, entryOf("", "POST", "http://elsewhere/fhir/Patient", patient("x"))}, 400, "invalid", "Bundle.entry[1].request.url"},
		"type":       {[]string{good, entryOf("", "POST", "Observation", patient("x"))}, 400, "invalid", "Bundle.entry[1].resource.resourceType"},
		"no request": {[]string{good, `{"resource":` + patient("x") + `}`}, 400, "required", "Bundle.entry[1].request"},
		"bundle":     {[]string{good, entryOf("", "POST", "", bundleOf("batch"))}, 400, "invalid", "Bundle.entry[1].request.url"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do("POST", "", bundleOf("transaction", tt.entries...))
			s.refused(a, tt.status, tt.code)
			if got := a.text("issue", 0, "expression", 0); got != tt.where {
				t.Errorf("the problem is at %s, want %s", got, tt.where)
			}
			if found := s.search("Patient?family=Ghost"); len(found) != 0 {
				t.Errorf("part of it was written: %v", found)
			}
		})
	}
}

func TestTransactionOrderAndResponses(t *testing.T) {
	s := newSite(t)
	who := patient("W", `,"identifier":[{"system":"http://x","value":"w"}]`)
	old := s.want(201, "POST", "Patient", who).text("id")
	// Deleted first, so that the condition finds nothing; read last.
	a := s.want(200, "POST", "", bundleOf("transaction",
		entryOf("", "GET", "Patient/fixed", ""),
		entryOf("", "PUT", "Patient/fixed", patient("F", `,"id":"fixed"`)),
		entryOf(uuid1, "POST", "Patient", who, `,"ifNoneExist":"identifier=http://x|w"`),
		entryOf("", "DELETE", "Patient/"+old, ""),
		entryOf(uuid2, "POST", "Observation", observation("Patient?identifier=http://x|w")),
		entryOf("", "GET", "Patient?family=F", ""),
	), "Prefer", "return=representation")
	var statuses []string
	for i := range a.entries() {
		statuses = append(statuses, a.text("entry", i, "response", "status")[:3])
	}
	if fmt.Sprint(statuses) != "[200 201 201 204 201 200]" {
		t.Errorf("statuses: %v\n%s", statuses, a.raw)
	}
	if a.text("entry", 0, "resource", "id") != "fixed" || a.text("entry", 5, "resource", "type") != "searchset" {
		t.Errorf("reads: %s", a.raw)
	}
	if got, want := a.text("entry", 4, "resource", "subject", "reference"), "Patient/"+placed(a)[2]; got != want {
		t.Errorf("the conditional reference leads to %s, want %s", got, want)
	}
}

func TestTransactionIsIdempotentWithConditions(t *testing.T) {
	s := newSite(t)
	who := patient("W", `,"identifier":[{"system":"http://x","value":"w"}]`)
	b := bundleOf("transaction",
		entryOf(uuid2, "POST", "Observation", observation(uuid1, `,"identifier":[{"system":"http://o","value":"1"}]`), `,"ifNoneExist":"identifier=http://o|1"`),
		entryOf(uuid1, "POST", "Patient", who, `,"ifNoneExist":"identifier=http://x|w"`),
		entryOf("urn:uuid:33333333-3333-4333-8333-333333333333", "POST", "Patient", who, `,"ifNoneExist":"identifier=http://x|w"`),
	)
	first, second := s.want(200, "POST", "", b), s.want(200, "POST", "", b)
	one, two := placed(first), placed(second)
	if fmt.Sprint(one) != fmt.Sprint(two) || one[1] != one[2] {
		t.Errorf("loaded twice: %v %v", one, two)
	}
	if got := fmt.Sprint(first.text("entry", 0, "response", "status"), first.text("entry", 2, "response", "status"), second.text("entry", 0, "response", "status")); got != "201 Created200 OK200 OK" {
		t.Errorf("statuses: %s", got)
	}
	o := s.want(200, "GET", "Observation/"+one[0], "")
	if o.text("subject", "reference") != "Patient/"+one[1] || o.text("meta", "versionId") != "1" {
		t.Errorf("the Observation: %s", o.raw)
	}
	// A new Observation of the patient that is found.
	c := s.want(200, "POST", "", strings.ReplaceAll(b, "http://o", "http://new"))
	if got := s.want(200, "GET", "Observation/"+placed(c)[0], "").text("subject", "reference"); got != "Patient/"+one[1] {
		t.Errorf("the new Observation is about %s, want Patient/%s", got, one[1])
	}
}

func TestBatchEntriesStandAlone(t *testing.T) {
	s := newSite(t)
	var many []string
	for i := range 100 {
		many = append(many, entryOf("", "POST", "Patient", patient(fmt.Sprint("P", i))))
	}
	many = append(many,
		entryOf("", "PUT", "Patient/p1", patient("x", `,"id":"p1"`)),
		entryOf("", "POST", "Observation", `{"resourceType":"Observation"}`),
		entryOf("", "GET", "Patient/p1", ""),
		entryOf("", "GET", "Patient/nobody", ""),
		entryOf("", "GET", "Patient?family=P99", ""),
		entryOf("", "BREW", "Patient", ""),
		entryOf("", "PATCH", "Patient/p1", `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0="}`),
		entryOf("", "DELETE", "Patient/p1", ""),
		entryOf("", "POST", "", bundleOf("batch")),
	)
	a := s.want(200, "POST", "", bundleOf("batch", many...))
	var got []string
	for i := 100; i < len(a.entries()); i++ {
		got = append(got, a.text("entry", i, "response", "status")[:3])
	}
	if fmt.Sprint(got) != "[201 422 200 404 200 400 200 204 400]" {
		t.Errorf("statuses: %v", got)
	}
	if a.text("entry", 103, "response", "outcome", "issue", 0, "code") != "not-found" || a.text("entry", 104, "resource", "total") != "1" {
		t.Errorf("entries: %s", clip(a.raw))
	}
	for i := range 100 {
		if a.text("entry", i, "response", "status") != "201 Created" {
			t.Fatalf("entry %d: %v", i, a.at("entry", i))
		}
	}
}

// TestWritesMayRunAgain: a store may run a write once more from its start.
func TestWritesMayRunAgain(t *testing.T) {
	again := errors.New("again")
	s := newSite(t, func(c *rest.Config) {
		write := c.Write
		c.Write = func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			err := write(ctx, func(ctx context.Context, tx rest.Tx) error {
				return errors.Join(f(ctx, tx), again)
			})
			if !errors.Is(err, again) {
				return err
			}
			return write(ctx, f)
		}
	})
	who := patient("W", `,"identifier":[{"system":"http://x","value":"w"}]`)
	b := bundleOf("transaction",
		entryOf(uuid2, "POST", "Observation", observation(uuid1, `,"performer":[{"reference":"Patient?identifier=http://x|w"}]`)),
		entryOf(uuid1, "POST", "Patient", who, `,"ifNoneExist":"identifier=http://x|w"`),
		entryOf("", "PATCH", "Patient/fixed", `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0="}`),
	)
	s.want(201, "PUT", "Patient/fixed", patient("F", `,"id":"fixed"`))
	for range 2 {
		ids := placed(s.want(200, "POST", "", b))
		o := s.want(200, "GET", "Observation/"+ids[0], "")
		if want := "Patient/" + ids[1]; o.text("subject", "reference") != want || o.text("performer", 0, "reference") != want {
			t.Errorf("want %s in %s", want, o.raw)
		}
	}
	if got := s.search("Patient?identifier=http://x|w"); len(got) != 1 {
		t.Errorf("%d patients", len(got))
	}
	if a := s.want(200, "GET", "Patient/fixed", ""); a.text("meta", "versionId") != "3" || a.text("active") != "true" {
		t.Errorf("patched: %s", a.raw)
	}
}
