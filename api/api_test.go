package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

// profile is a device type for the tests.
const profile = `profile: test-oximeter
title: Test oximeter
maker: Nobody
model: T1
kind: pulse-oximeter
source: these tests
codec: json
time: {path: $.t, format: unix-ms}
cadence: 1 s
readings:
  - {metric: spo2, path: $.o, unit: "%", code: {loinc: 59408-5, mdc: 150456}, decimals: 0, valid: [0, 100]}
  - {metric: pulse, path: $.p, unit: "/min", code: {loinc: 8889-8, mdc: 149530}, decimals: 0, valid: [20, 300]}
waves:
  - {metric: pleth, path: $.w, rate: 50 /s, gain: 0.5, unit: "1", code: {mdc: 150452}}
events:
  - {event: button, when: $.b == 1, title: Button}
states:
  - {when: $.f == 1, says: sensor-off, absent: [spo2, pulse]}
examples:
  - name: quiet finger
    payload: {"t": 1700000000000, "o": 97, "p": 72, "w": [1, 2, null], "b": 1}
    want: {spo2: 97 %, pulse: 72 /min, button: event}
    waves: {pleth: "[0.5 1 -] at 50 /s"}
  - name: rubbish
    payload: {"t": "yesterday"}
    refuse: "$.t: not a time in unix-ms"
`

// ward opens a house with the test profile, a patient in bed 07 and an oximeter.
func ward(t *testing.T) (h *house, patient string) {
	t.Helper()
	h = open(t)
	h.write(profile)
	var p struct{ ID string }
	h.do("POST", "/patients", `{"family":"Doe","given":"Jo","unit":"4 East","bed":"07"}`, &p)
	var c credentials
	h.do("POST", "/devices", `{"id":"ox-1","profile":"test-oximeter","patient":"`+p.ID+`"}`, &c)
	if c.ID != "ox-1" || c.Secret == "" || c.Topic != "devices/ox-1/messages" {
		t.Fatalf("credentials %+v", c)
	}
	return h, p.ID
}

// write puts a profile into the overlay.
func (h *house) write(text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.overlay, "test-oximeter.yaml"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.reload()
}

// ms returns milliseconds since 1970, n seconds before now.
func (h *house) ms(n int) int64 { return h.now.Add(-time.Duration(n) * time.Second).UnixMilli() }

func TestRegister(t *testing.T) {
	h, patient := ward(t)
	var devices deviceList
	h.do("GET", "/devices", "", &devices)
	if len(devices.Devices) != 1 || devices.Devices[0].Profile != "test-oximeter" {
		t.Errorf("devices %+v", devices)
	}
	var served assignmentList
	h.do("GET", "/assignments?device=ox-1&subject=patient/"+patient, "", &served)
	if len(served.Assignments) != 1 {
		t.Errorf("assignments %+v", served)
	}
	var stays stayList
	h.do("GET", "/stays?patient="+patient, "", &stays)
	if len(stays.Stays) != 1 {
		t.Fatalf("stays %+v", stays)
	}
	h.do("POST", "/devices/ox-1/unassign", `{"reason":"test"}`, nil)
	h.now = h.now.Add(time.Second)
	var a vigil.Assignment
	h.do("POST", "/devices/ox-1/assign", `{"location":"`+stays.Stays[0].Location+`","reason":"bed"}`, &a)
	if a.Subject.Kind != vigil.OfLocation || a.Actor.ID != "local-admin" {
		t.Errorf("assignment %+v", a)
	}
	h.do("DELETE", "/stays/"+stays.Stays[0].ID, "", nil)
	h.refused("DELETE", "/stays/"+stays.Stays[0].ID, "", http.StatusConflict)
	var again credentials
	h.do("POST", "/devices/ox-1/secret", "", &again)
	if again.Secret == "" {
		t.Error("no new secret")
	}
	var d vigil.Device
	h.do("POST", "/devices/ox-1/revoke", `{}`, &d)
	if d.Revoked == 0 {
		t.Error("not revoked")
	}
	var token madeToken
	h.do("POST", "/tokens", `{"role":"reader","name":"script"}`, &token)
	h.do("DELETE", "/tokens/"+token.ID, "", nil)
	var tokens tokenList
	h.do("GET", "/tokens", "", &tokens)
	if len(tokens.Tokens) != 1 || tokens.Tokens[0].Revoked == 0 {
		t.Errorf("tokens %+v", tokens)
	}
}

func TestRefusals(t *testing.T) {
	h, patient := ward(t)
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/patients", `{"family":""}`, 422, "/family"},
		{"POST", "/patients", `{"family":"A","born":"31.1.1950"}`, 422, "/born"},
		{"POST", "/patients", `{"family":"A","bed":"1"}`, 422, "go together"},
		{"POST", "/patients", `{"family":"A","unit":"4 East","bed":"07"}`, 409, "another patient"},
		{"POST", "/patients", `{"family":"A","nickname":"x"}`, 422, "nickname"},
		{"POST", "/patients", `{"family":`, 400, ""},
		{"GET", "/patients/nobody", "", 404, ""},
		{"POST", "/devices", `{"profile":"nothing"}`, 422, "profile"},
		{"POST", "/devices", `{"profile":"test-oximeter","id":"ox-1"}`, 409, ""},
		{"POST", "/devices", `{"profile":"test-oximeter","patient":"a","subject":"patient/b"}`, 422, "one of"},
		{"POST", "/devices/ox-1/assign", `{"patient":"` + patient + `"}`, 409, ""},
		{"POST", "/devices/none/revoke", "", 404, ""},
		{"GET", "/readings", "", 422, "patient"},
		{"GET", "/readings?patient=" + patient + "&from=yesterday", "", 422, "from"},
		{"GET", "/readings?patient=" + patient + "&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "", 422, "to"},
		{"GET", "/readings?patient=" + patient + "&bucket=1ms", "", 422, "bucket"},
		{"GET", "/readings?patient=" + patient + "&bucket=1s&from=2000-01-01T00:00:00Z", "", 422, "buckets"},
		{"GET", "/readings?patient=" + patient + "&cursor=nonsense", "", 422, "cursor"},
		{"GET", "/readings?patient=" + patient + "&limit=0", "", 422, "limit"},
		{"GET", "/readings?subject=bed-7", "", 422, "subject"},
		{"GET", "/waves?series=99", "", 404, ""},
		{"GET", "/quarantine/none", "", 404, ""},
		{"GET", "/quarantine?state=lost", "", 422, "state"},
		{"POST", "/quarantine/none/close", `{"reason":""}`, 422, "reason"},
		{"GET", "/profiles/none", "", 404, ""},
		{"POST", "/tokens", `{"role":"emperor"}`, 422, "/role"},
		{"DELETE", "/stays/none", "", 404, ""},
	} {
		if got := h.refused(tt.method, tt.path, tt.body, tt.status); !strings.Contains(got, tt.says) {
			t.Errorf("%s %s %s: %s does not say %q", tt.method, tt.path, tt.body, got, tt.says)
		}
	}
}

func TestAWriteNeedsAnAuthor(t *testing.T) {
	h := open(t)
	if w := call(h.handler, "POST", "/patients", `{"family":"A"}`, false); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := call(h.handler, "GET", "/patients", "", false); w.Code != 200 {
		t.Errorf("reading: %d", w.Code)
	}
}

func TestInternalErrorsAreHidden(t *testing.T) {
	s := New(Config{Readings: failing{}})
	w := call(s, "GET", "/latest", "", true)
	if w.Code != 500 || strings.Contains(w.Body.String(), "fire") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestReadingBack(t *testing.T) {
	h, patient := ward(t)
	for i := 9; i >= 0; i-- {
		h.understood("ox-1", fmt.Sprintf(`{"t":%d,"o":%d,"p":70,"w":[1,null,%d]}`, h.ms(i), 90+i, i))
	}
	h.understood("ox-1", fmt.Sprintf(`{"t":%d,"f":1,"o":0,"p":0}`, h.ms(-1)))

	var latest latestList
	h.do("GET", "/latest?patient="+patient+",other", "", &latest)
	if len(latest.Readings) != 2 || latest.Readings[0].Value != nil || latest.Readings[0].Quality.State() != vigil.SensorOff {
		t.Errorf("latest %+v", latest)
	}
	var page readingPage
	h.do("GET", "/readings?patient="+patient+"&code=loinc:59408-5&to="+h.now.UTC().Format(time.RFC3339), "", &page)
	if len(page.Readings) != 9 || page.Readings[0].Text != "99" || page.Readings[8].Text != "91" || page.Next != "" {
		t.Errorf("to is exclusive: got %+v", page)
	}
	if r := page.Readings[0]; r.ID != "obs" || r.Unit != "%" || r.Metric != "spo2" || r.Version != 1 || r.Device != "ox-1" {
		t.Errorf("reading %+v", r)
	}
	h.do("GET", "/readings?device=ox-1&metric=spo2&desc=true&limit=3", "", &page)
	if len(page.Readings) != 3 || page.Readings[1].Text != "90" || page.Next == "" {
		t.Errorf("newest first: %+v", page)
	}
	var buckets readingPage
	h.do("GET", "/readings?patient="+patient+"&metric=spo2&bucket=5s&limit=2", "", &buckets)
	if len(buckets.Buckets) != 2 || buckets.Next == "" || buckets.Readings != nil {
		t.Fatalf("buckets %+v", buckets)
	}
	if b := buckets.Buckets[0]; b.Count != 4 || b.Min != 96 || b.Max != 99 || b.Mean != 97.5 || b.Last != 96 || b.Unit != "%" {
		t.Errorf("bucket %+v", b)
	}
	next := buckets.Next
	buckets = readingPage{}
	h.do("GET", "/readings?patient="+patient+"&metric=spo2&bucket=5s&limit=2&cursor="+next, "", &buckets)
	if len(buckets.Buckets) != 1 || buckets.Buckets[0].Last != 90 || buckets.Next != "" {
		t.Errorf("second page of buckets %+v", buckets)
	}
	var series seriesList
	h.do("GET", "/series?patient="+patient, "", &series)
	if len(series.Series) != 3 || !series.Series[2].Wave || series.Series[1].Metric.Name != "spo2" || series.Series[2].Metric.Name != "pleth" {
		t.Errorf("series %+v", series)
	}
	h.waves(patient)
	var events eventList
	h.understood("ox-1", fmt.Sprintf(`{"t":%d,"o":95,"p":70,"b":1}`, h.ms(-2)))
	h.do("GET", "/events?patient="+patient+"&type=button", "", &events)
	if len(events.Events) != 1 || events.Events[0].Type != "button" || events.Events[0].Subject.ID != patient {
		t.Errorf("events %+v", events)
	}
}

// waves pages through the ten blocks that were sent.
func (h *house) waves(patient string) {
	h.t.Helper()
	var got []string
	for cursor := ""; ; {
		var page struct {
			Blocks []struct {
				Start   vigil.Instant
				RateNum int64
				Gain    float64
				Samples []*int
			}
			Next string
		}
		h.do("GET", "/waves?patient="+patient+"&metric=pleth&limit=3&cursor="+cursor, "", &page)
		for _, b := range page.Blocks {
			if len(b.Samples) != 3 || b.Samples[1] != nil || b.RateNum != 50 || b.Gain != 0.5 {
				h.t.Fatalf("block %+v", b)
			}
			got = append(got, fmt.Sprint(*b.Samples[2]))
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if strings.Join(got, "") != "9876543210" {
		h.t.Errorf("blocks %v", got)
	}
}

// TestPagesJoin reads several series with every page size, both ways, and gets
// the same as in one page.
func TestPagesJoin(t *testing.T) {
	h, patient := ward(t)
	h.do("POST", "/devices", `{"id":"ox-2","profile":"test-oximeter","patient":"`+patient+`"}`, nil)
	for i := range 40 {
		h.understood([]string{"ox-1", "ox-2"}[i%2], fmt.Sprintf(`{"t":%d,"o":%d,"p":%d}`, h.ms(40-i/3), 60+i, 100+i))
	}
	rapid.Check(t, func(rt *rapid.T) {
		desc := rapid.Bool().Draw(rt, "desc")
		limit := rapid.IntRange(1, 90).Draw(rt, "limit")
		from := rapid.IntRange(25, 45).Draw(rt, "from")
		path := fmt.Sprintf("/readings?patient=%s&desc=%v&from=%s", patient, desc, h.now.Add(-time.Duration(from)*time.Second).Format(time.RFC3339))
		var all readingPage
		h.do("GET", path, "", &all)
		var joined []Reading
		for cursor := ""; ; {
			var page readingPage
			h.do("GET", fmt.Sprintf("%s&limit=%d&cursor=%s", path, limit, cursor), "", &page)
			joined = append(joined, page.Readings...)
			if cursor = page.Next; cursor == "" {
				break
			}
			if len(page.Readings) != limit {
				rt.Fatalf("a page of %d with a next one, want %d", len(page.Readings), limit)
			}
		}
		same := func(a, b Reading) bool { return a.Series == b.Series && a.Taken == b.Taken && *a.Value == *b.Value }
		if !slices.EqualFunc(joined, all.Readings, same) {
			rt.Fatalf("%d readings in pages of %d, %d in one", len(joined), limit, len(all.Readings))
		}
		if !slices.IsSortedFunc(all.Readings, func(a, b Reading) int {
			if desc {
				a, b = b, a
			}
			return int(a.Taken - b.Taken)
		}) {
			rt.Fatal("not in the order of time")
		}
	})
}

func TestQuarantine(t *testing.T) {
	h, patient := ward(t)
	const message = `{"sat": 93, "p": "many"}`
	for range 3 {
		var refusal *vigil.Refusal
		if err := h.say("ox-1", message); !errors.As(err, &refusal) {
			t.Fatalf("got %v, want a refusal", err)
		}
		h.now = h.now.Add(time.Second)
	}
	var first, second entryPage
	h.do("GET", "/quarantine?device=ox-1&state=open&limit=2", "", &first)
	h.do("GET", "/quarantine?device=ox-1&state=open&limit=2&after="+first.Next, "", &second)
	if len(first.Entries) != 2 || first.Next == "" || len(second.Entries) != 1 || second.Next != "" {
		t.Fatalf("pages %+v %+v", first, second)
	}
	id := first.Entries[0].ID
	var shown shownEntry
	h.do("GET", "/quarantine/"+id, "", &shown)
	if shown.Payload.Text == nil || *shown.Payload.Text != message || shown.ProfileText != profile || shown.Reason == "" {
		t.Errorf("entry %+v", shown)
	}
	if b, _ := base64.StdEncoding.DecodeString(shown.Payload.Base64); string(b) != message {
		t.Errorf("payload %q", b)
	}
	var out replayOutcome
	h.do("POST", "/quarantine/"+id+"/replay", `{}`, &out)
	if out.Replayed != 0 || len(out.Refused) != 1 || out.Refused[0].ID != id || out.Refused[0].Reason == "" {
		t.Errorf("an unmended replay gave %+v", out)
	}
	h.do("POST", "/quarantine/"+second.Entries[0].ID+"/close", `{"reason":"a test"}`, nil)
	text := strings.ReplaceAll(profile, "path: $.o", "path: $.sat")
	text = strings.ReplaceAll(text, `"o": 97`, `"sat": 97`)
	h.write(strings.ReplaceAll(strings.ReplaceAll(text, "path: $.p,", "path: $.pp,"), `"p": 72`, `"pp": 72`))
	h.do("POST", "/quarantine/"+id+"/replay", `{}`, &out)
	if out.Replayed != 1 || len(out.Refused) != 0 {
		t.Errorf("the mended replay gave %+v", out)
	}
	h.refused("POST", "/quarantine/"+id+"/replay", `{}`, http.StatusConflict)
	h.do("POST", "/quarantine/replay", `{"profile":"another"}`, &out)
	if out.Replayed != 0 {
		t.Errorf("another profile's replay gave %+v", out)
	}
	h.do("POST", "/quarantine/replay", `{"profile":"test-oximeter"}`, &out)
	if out.Replayed != 1 {
		t.Errorf("the rest gave %+v", out)
	}
	h.do("GET", "/quarantine?state=open", "", &first)
	if len(first.Entries) != 0 {
		t.Errorf("still open: %+v", first.Entries)
	}
	var page readingPage
	h.do("GET", "/readings?patient="+patient, "", &page)
	if len(page.Readings) != 2 || page.Readings[0].Text != "93" || page.Readings[1].Text != "93" {
		t.Errorf("landed: %+v", page.Readings)
	}
}

func TestPayloadsThatAreNoText(t *testing.T) {
	for payload, isText := range map[string]bool{"a\tb\n": true, "": true, "\xff\xfe": false, "a\x00b": false} {
		if p := payloadOf([]byte(payload)); (p.Text != nil) != isText {
			t.Errorf("%q: text %v", payload, p.Text)
		}
	}
}

func TestProfiles(t *testing.T) {
	h, _ := ward(t)
	var list profileList
	h.do("GET", "/profiles", "", &list)
	builtin := 0
	for _, p := range list.Profiles {
		if p.Builtin == (p.Name == "test-oximeter") {
			t.Errorf("%s: built in %v", p.Name, p.Builtin)
		}
		if len(p.Examples) == 0 {
			t.Errorf("%s: no examples", p.Name)
		}
		builtin++
	}
	if builtin < 5 {
		t.Errorf("%d profiles", builtin)
	}
	var one shownProfile
	h.do("GET", "/profiles/test-oximeter", "", &one)
	if one.Text != profile || len(one.Metrics) != 3 {
		t.Errorf("profile %+v", one)
	}
	var c checked
	h.do("POST", "/profiles/check", body(map[string]string{"text": profile}), &c)
	if !c.OK || len(c.Problems) != 0 {
		t.Errorf("a good profile: %+v", c)
	}
	h.do("POST", "/profiles/check", body(map[string]string{"text": "profile: x\nflavour: sweet\n"}), &c)
	if c.OK || len(c.Problems) == 0 || c.Problems[0].Pos == "" {
		t.Errorf("a wrong profile: %+v", c)
	}
	var tried struct {
		Readings []struct{ Name, Text string }
		Refusals []vigil.Refusal
	}
	for _, payload := range []any{`{"t":1700000000000,"o":97}`, map[string]any{"t": 1700000000000, "o": 97}, nil} {
		h.do("POST", "/profiles/try", body(map[string]any{"name": "test-oximeter", "payload": payload}), &tried)
		if len(tried.Readings) == 0 || tried.Readings[0].Text != "97 %" {
			t.Errorf("%v: %+v", payload, tried)
		}
	}
	h.do("POST", "/profiles/try", body(map[string]any{"text": profile, "payload": "rubbish"}), &tried)
	if len(tried.Refusals) != 1 {
		t.Errorf("rubbish: %+v", tried)
	}
	h.refused("POST", "/profiles/try", `{}`, 422)
	h.refused("POST", "/profiles/try", `{"text":"profile: x"}`, 422)
	h.refused("POST", "/profiles/try", `{"name":"none"}`, 404)
}

// body writes a request.
func body(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestSystemAndHealth(t *testing.T) {
	h := open(t)
	var sys about
	h.do("GET", "/system", "", &sys)
	if sys.Version != "1.2.3" || sys.Demo || sys.Time != vigil.InstantOf(h.now) {
		t.Errorf("system %+v", sys)
	}
	var he health
	h.do("GET", "/health", "", &he)
	if he.OK || len(he.Checks) != 1 || he.Checks[0].Advice == "" {
		t.Errorf("health %+v", he)
	}
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/docs"} {
		if w := call(h.handler, "GET", path, "", false); w.Code != 200 || w.Body.Len() < 1000 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestWall(t *testing.T) {
	h, patient := ward(t)
	h.do("POST", "/locations", `{"name":"08","unit":"4 East"}`, nil)
	var fridge vigil.Location
	h.do("POST", "/locations", `{"id":"fridge","name":"Fridge","unit":"Ambulance","kind":"fridge"}`, &fridge)
	h.do("POST", "/devices", `{"id":"ox-f","profile":"test-oximeter","location":"fridge"}`, nil)
	h.do("POST", "/devices", `{"id":"ox-lost","name":"Lost","profile":"test-oximeter"}`, nil)
	h.understood("ox-1", fmt.Sprintf(`{"t":%d,"o":97,"p":70,"w":[1,2,3]}`, h.ms(1)))
	h.understood("ox-f", fmt.Sprintf(`{"t":%d,"o":50}`, h.ms(1)))
	h.understood("ox-lost", fmt.Sprintf(`{"t":%d,"o":88}`, h.ms(1)))

	var w Wall
	h.do("GET", "/wall", "", &w)
	if len(w.Units) != 2 || w.Units[0].Name != "4 East" || w.Units[1].Name != "Ambulance" {
		t.Fatalf("units %+v", w.Units)
	}
	bed := w.Units[0].Beds[0]
	if bed.Location.Name != "07" || bed.Patient == nil || string(bed.Patient.ID) != patient || len(bed.Devices) != 1 ||
		bed.Devices[0].Kind != "pulse-oximeter" || len(bed.Series) != 3 || len(bed.Latest) != 2 || bed.Latest[1].Text != "97" {
		t.Errorf("bed 07 %+v", bed)
	}
	if free := w.Units[0].Beds[1]; free.Patient != nil || free.Series == nil || free.Latest == nil || free.Devices == nil {
		t.Errorf("free bed %+v", free)
	}
	if cold := w.Units[1].Beds[0]; cold.Patient != nil || len(cold.Latest) != 1 || cold.Latest[0].Subject.ID != "fridge" {
		t.Errorf("fridge %+v", cold)
	}
	if len(w.Unattributed) != 1 || w.Unattributed[0].Device.ID != "ox-lost" || w.Unattributed[0].Location != nil {
		t.Errorf("unattributed %+v", w.Unattributed)
	}
	h.do("GET", "/wall?unit=Ambulance", "", &w)
	if len(w.Units) != 1 || len(w.Units[0].Beds) != 1 || len(w.Unattributed) != 0 {
		t.Errorf("one unit %+v", w)
	}
	h.now = h.now.Add(25 * time.Hour)
	h.do("GET", "/wall", "", &w)
	if bed := w.Units[0].Beds[0]; len(bed.Series) != 0 || len(bed.Latest) != 0 {
		t.Errorf("a day later %+v", bed)
	}
}
