package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// fhirClients is how many clients write at once.
	fhirClients = 64
	// keptPatients is how many patients the Observations are about that are searched.
	keptPatients = 1000
)

// FHIR measures the FHIR server: writes, reads, searches, and the size of what
// is kept.
func (b *Bench) FHIR(ctx context.Context) ([]Row, error) {
	var rows []Row
	parts := []func(context.Context) ([]Row, error){b.fhirWrites, b.fhirKept, b.fhirImport, b.fhirDay}
	for _, f := range parts {
		more, err := f(ctx)
		rows = append(rows, more...)
		if err != nil {
			return b.placed(rows), err
		}
	}
	return b.placed(rows), nil
}

// clients connects clients that may do everything.
func (s *Server) clients(ctx context.Context, n int) ([]*httpConn, error) {
	var token struct {
		Token string `json:"token"`
	}
	if err := s.Call(ctx, http.MethodPost, "/api/v1/tokens", map[string]string{"role": "admin", "name": "bench"}, &token); err != nil {
		return nil, err
	}
	out := make([]*httpConn, 0, n)
	for range n {
		c, err := dialHTTP(ctx, s.HTTP, token.Token)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// A pace is how often a second something was done, and how many microseconds of
// processor the server took for each.
type pace struct{ rate, cost float64 }

// hammer lets every client do something again and again, and returns its pace in
// the time that counts.
func (b *Bench) hammer(ctx context.Context, s *Server, name string, all []*httpConn, late *times, do func(c *httpConn, client, i int) error) (p pace, err error) {
	limited, stop := context.WithTimeout(ctx, b.Warm+b.For)
	defer stop()
	var done atomic.Int64
	g, working := errgroup.WithContext(limited)
	for client, c := range all {
		g.Go(func() error {
			for i := 0; working.Err() == nil; i++ {
				begun := time.Now()
				if err := do(c, client, i); err != nil {
					return err
				}
				late.add(time.Since(begun))
				done.Add(1)
			}
			return nil
		})
	}
	rest(working, b.Warm)
	late.reset()
	g.Go(func() error { return b.profile(ctx, s, name) })
	before, _ := s.memory(ctx)
	from, begun := done.Load(), time.Now()
	<-working.Done()
	n := float64(done.Load() - from)
	p.rate = n / time.Since(begun).Seconds()
	if err = g.Wait(); err == nil || errors.Is(err, context.DeadlineExceeded) {
		var after allocated
		after, err = s.memory(ctx)
		p.cost = (after.Seconds - before.Seconds) * mega / max(n, 1)
	}
	return p, err
}

// rows are the figures of something that was done at a pace.
func (p pace) rows(what string, target float64, late *times) []Row {
	return []Row{
		atLeast("FHIR: "+what, p.rate, "/s", target), atMost("FHIR: "+what+": p99", late.millis(99), "ms", 0),
		atMost("FHIR: "+what+": processor of the server for each", p.cost, "µs", 0),
	}
}

// fhirWrites measures creates, transactions and reads by id.
func (b *Bench) fhirWrites(ctx context.Context) ([]Row, error) {
	var rows []Row
	err := b.with(ctx, func(s *Server) error {
		all, err := s.clients(ctx, fhirClients)
		if err != nil {
			return err
		}
		if err := keepPatients(all[0], keptPatients); err != nil {
			return err
		}
		b.tell("FHIR: %d clients create Observations", len(all))
		ids := make([][]string, len(all))
		late := newTimes()
		p, err := b.hammer(ctx, s, "fhir-create", all, late, func(c *httpConn, client, i int) error {
			_, err := c.want(http.StatusCreated, http.MethodPost, "/fhir/Observation", observation(nil, client*7919+i, time.Now()), "Prefer: return=minimal")
			return err
		})
		if err != nil {
			return err
		}
		rows = append(rows, p.rows("Observations created, 64 clients", 8000, late)...)
		b.tell("FHIR: %d clients send transactions", len(all))
		p, err = b.hammer(ctx, s, "fhir-transaction", all, late, func(c *httpConn, client, i int) error {
			_, err := c.want(http.StatusOK, http.MethodPost, "/fhir", transaction(nil, client, i, time.Now()), "Prefer: return=minimal")
			return err
		})
		if err != nil {
			return err
		}
		rows = append(rows, p.rows("transactions of Patient and Observation, 64 clients", 4000, late)...)
		if ids[0], err = observationIDs(all[0]); err != nil {
			return err
		}
		b.tell("FHIR: %d clients read by id", len(all))
		p, err = b.hammer(ctx, s, "fhir-read", all, late, func(c *httpConn, client, i int) error {
			_, err := c.want(http.StatusOK, http.MethodGet, "/fhir/Observation/"+ids[0][(client*31+i)%len(ids[0])], nil)
			return err
		})
		rows = append(rows, p.rows("reads by id, 64 clients", 30_000, late)...)
		return err
	})
	return rows, err
}

// keepPatients puts the patients that Observations are about.
func keepPatients(c *httpConn, n int) error {
	for from := 0; from < n; from += 250 {
		b := []byte(`{"resourceType":"Bundle","type":"batch","entry":[`)
		for i := from; i < min(n, from+250); i++ {
			if i > from {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"resource":{"resourceType":"Patient","id":"bench-%d","name":[{"family":"Bench","given":["No %d"]}],"gender":"female","birthDate":"1970-01-01"},"request":{"method":"PUT","url":"Patient/bench-%d"}}`, i, i, i)
		}
		if _, err := c.want(http.StatusOK, http.MethodPost, "/fhir", append(b, `]}`...)); err != nil {
			return err
		}
	}
	return nil
}

// observationIDs returns ids of Observations that are there.
func observationIDs(c *httpConn) ([]string, error) {
	text, err := c.want(http.StatusOK, http.MethodGet, "/fhir/Observation?_count=1000&_elements=id", nil)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, part := range bytes.Split(text, []byte(`/fhir/Observation/`))[1:] {
		id, _, _ := bytes.Cut(part, []byte(`"`))
		ids = append(ids, string(id))
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no Observations are found: %.300s", text)
	}
	return ids, nil
}

// The vital signs of the Observations that are made up.
var vitalSigns = [...]struct {
	loinc, title, unit, code string
	low, wide                int
}{
	{"8867-4", "Heart rate", "beats/minute", "/min", 55, 50},
	{"9279-1", "Respiratory rate", "breaths/minute", "/min", 10, 15},
	{"59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", "%", 90, 10},
	{"8310-5", "Body temperature", "Cel", "Cel", 36, 3},
}

// observation appends an Observation as clients send them, about one of the kept
// patients.
func observation(dst []byte, i int, at time.Time) []byte {
	v := vitalSigns[i%len(vitalSigns)]
	dst = append(dst, `{"resourceType":"Observation","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},"status":"final",`...)
	dst = append(dst, `"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}],"text":"Vital Signs"}],`...)
	dst = fmt.Appendf(dst, `"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"%s"}],"text":"%s"},`, v.loinc, v.title, v.title)
	dst = fmt.Appendf(dst, `"subject":{"reference":"Patient/bench-%d"},"effectiveDateTime":"%s",`, i/len(vitalSigns)%keptPatients, at.UTC().Format("2006-01-02T15:04:05.000Z"))
	dst = fmt.Appendf(dst, `"issued":"%s","identifier":[{"system":"urn:bench","value":"%d-%d"}],`, at.UTC().Format("2006-01-02T15:04:05.000Z"), i, at.UnixNano())
	return fmt.Appendf(dst, `"valueQuantity":{"value":%d.%d,"unit":"%s","system":"http://unitsofmeasure.org","code":"%s"}}`, v.low+i%v.wide, i%10, v.unit, v.code)
}

// transaction appends a transaction of a new patient and an Observation of them.
func transaction(dst []byte, client, i int, at time.Time) []byte {
	dst = fmt.Appendf(dst, `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:00000000-0000-4000-8000-%012d","resource":{"resourceType":"Patient","name":[{"family":"Bench %d","given":["No %d"]}],"gender":"male","birthDate":"1980-02-03"},"request":{"method":"POST","url":"Patient"}},{"resource":`, i, client, i)
	o := observation(nil, client*7919+i, at)
	before, after, _ := bytes.Cut(o, []byte(`"subject":{"reference":"`))
	_, after, _ = bytes.Cut(after, []byte(`"`))
	dst = append(append(dst, before...), `"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-`...)
	dst = fmt.Appendf(dst, `%012d"`, i)
	return append(append(dst, after...), `,"request":{"method":"POST","url":"Observation"}}]}`...)
}

// fhirKept keeps many Observations and measures their size and searches among
// them.
func (b *Bench) fhirKept(ctx context.Context) ([]Row, error) {
	if b.Running != nil {
		return nil, nil
	}
	var rows []Row
	err := b.at(ctx, func(where *site) error {
		empty, err := where.grown(ctx, func(s *Server) error {
			all, err := s.clients(ctx, 1)
			if err != nil {
				return err
			}
			return keepPatients(all[0], keptPatients)
		})
		if err != nil {
			return err
		}
		n := max(b.Observations, len(vitalSigns)*keptPatients)
		b.tell("FHIR: %d Observations are kept", n)
		begun := time.Now()
		full, err := where.grown(ctx, func(s *Server) error { return keepObservations(ctx, s, n) })
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%.3g million Observations", float64(n)/mega)
		rows = append(rows,
			atLeast("FHIR: "+what+" in batches of 200, 8 clients", float64(n)/time.Since(begun).Seconds(), "/s", 0),
			atMost("FHIR: disk, each of "+what, float64(full.store-empty.store)/float64(n), "B", 700))
		_, err = where.started(ctx, func(s *Server) error {
			late, err := newestAmong(ctx, s)
			if err != nil {
				return err
			}
			rows = append(rows, atMost("FHIR: newest 50 of patient and code among "+what+": p50", late.millis(50), "ms", 0),
				atMost("FHIR: newest 50 of patient and code among "+what+": p99", late.millis(99), "ms", 5))
			return nil
		})
		return err
	})
	return rows, err
}

// keepObservations keeps Observations, a minute apart.
func keepObservations(ctx context.Context, s *Server, n int) error {
	const each = 200
	all, err := s.clients(ctx, 8)
	if err != nil {
		return err
	}
	base := time.Now().Add(-30 * 24 * time.Hour)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range all {
		g.Go(func() error {
			var body []byte
			for ctx.Err() == nil {
				from := int(next.Add(each)) - each
				if from >= n {
					return nil
				}
				body = append(body[:0], `{"resourceType":"Bundle","type":"batch","entry":[`...)
				for i := from; i < min(from+each, n); i++ {
					if i > from {
						body = append(body, ',')
					}
					body = append(body, `{"resource":`...)
					body = observation(body, i, base.Add(time.Duration(i/(len(vitalSigns)*keptPatients))*time.Minute))
					body = append(body, `,"request":{"method":"POST","url":"Observation"}}`...)
				}
				body = append(body, `]}`...)
				answer, err := c.want(http.StatusOK, http.MethodPost, "/fhir", body, "Prefer: return=minimal")
				if err != nil {
					return err
				}
				if got := bytes.Count(answer, []byte(`"status":"201`)); got < min(each, n-from) {
					return fmt.Errorf("%d of %d Observations of a batch were kept: %.500s", got, min(each, n-from), answer)
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// newestAmong asks for the newest Observations of patients, one after the other.
func newestAmong(ctx context.Context, s *Server) (*times, error) {
	all, err := s.clients(ctx, 1)
	if err != nil {
		return nil, err
	}
	late := newTimes()
	for i := range 2200 {
		if i == 200 {
			late.reset() // the warm-up
		}
		path := fmt.Sprintf("/fhir/Observation?patient=bench-%d&code=http://loinc.org%%7C%s&_sort=-date&_count=50",
			rand.IntN(keptPatients), vitalSigns[i%len(vitalSigns)].loinc) // #nosec G404 -- no secret
		begun := time.Now()
		answer, err := all[0].want(http.StatusOK, http.MethodGet, path, nil)
		if err != nil {
			return nil, err
		}
		late.add(time.Since(begun))
		if i == 0 && !strings.Contains(string(answer), `"mode":"match"`) {
			return nil, fmt.Errorf("nothing is found: %.300s", answer)
		}
	}
	return late, nil
}
