package bench

import (
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// fhirImport loads transactions that others made, and reads everything of their
// patients.
func (b *Bench) fhirImport(ctx context.Context) ([]Row, error) {
	if b.Bundles == "" || b.Running != nil {
		b.tell("FHIR: no folder of bundles is named; import and $everything are left out")
		return nil, nil
	}
	bundles, err := readBundles(b.Bundles)
	if err != nil {
		return nil, err
	}
	var rows []Row
	err = b.with(ctx, func(s *Server) error {
		all, err := s.clients(ctx, 8)
		if err != nil {
			return err
		}
		if err := keepTargets(all[0], bundles); err != nil {
			return err
		}
		b.tell("FHIR: %d bundles are loaded again and again", len(bundles))
		rate, err := b.loaded(ctx, s, all, bundles)
		if err != nil {
			return err
		}
		rows = append(rows, atLeast("FHIR: import of transactions, 8 clients: resources", rate, "/s", 15_000))
		late, size, err := everything(all[0])
		if err != nil {
			b.tell("FHIR: $everything cannot be measured: %v", err)
			return ctx.Err()
		}
		rows = append(rows, atMost(fmt.Sprintf("FHIR: $everything of a patient, %.0f resources on average: p50", size), late.millis(50), "ms", 20))
		return nil
	})
	return rows, err
}

// readBundles reads the Bundles of a folder: .json, or packed as .json.bz2.
func readBundles(dir string) ([][]byte, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json*"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("there are no bundles in %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	slices.Sort(names)
	var out [][]byte
	for _, name := range names {
		f, err := os.Open(name) // #nosec G304 -- a folder that the user names
		if err != nil {
			return nil, fmt.Errorf("read bundle: %w", err)
		}
		var r io.Reader = f
		if strings.HasSuffix(name, ".bz2") {
			r = bzip2.NewReader(f)
		}
		text, err := io.ReadAll(r)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("read bundle %s: %w", filepath.Base(name), err)
		}
		out = append(out, text)
	}
	return out, nil
}

// conditional is a conditional reference by an identifier.
var conditional = regexp.MustCompile(`"([A-Z][A-Za-z]+)\?identifier=([^|"]+)\|([^"|]+)"`)

// keepTargets keeps what the bundles refer to by identifiers and do not bring
// along: practitioners, organizations, places.
func keepTargets(c *httpConn, bundles [][]byte) error {
	seen := map[string]bool{}
	var entries []string
	for _, text := range bundles {
		for _, m := range conditional.FindAllSubmatch(text, -1) {
			if seen[string(m[0])] {
				continue
			}
			seen[string(m[0])] = true
			entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"%s","identifier":[{"system":"%s","value":"%s"}]},"request":{"method":"POST","url":"%s","ifNoneExist":"identifier=%s|%s"}}`,
				m[1], m[2], m[3], m[1], m[2], m[3]))
		}
	}
	for some := range slices.Chunk(entries, 500) {
		body := `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(some, ",") + `]}`
		if _, err := c.want(http.StatusOK, http.MethodPost, "/fhir", []byte(body), "Prefer: return=minimal"); err != nil {
			return err
		}
	}
	return nil
}

// loaded loads bundles for the time that counts and returns how many resources a
// second were kept.
func (b *Bench) loaded(ctx context.Context, s *Server, all []*httpConn, bundles [][]byte) (float64, error) {
	var kept atomic.Int64
	g, working := errgroup.WithContext(ctx)
	begun := time.Now()
	g.Go(func() error { return b.profile(ctx, s, "fhir-import") })
	for client, c := range all {
		g.Go(func() error {
			// Every bundle once, and more as long as there is time.
			for i := client; working.Err() == nil && (i < len(bundles) || time.Since(begun) < b.For); i += len(all) {
				answer, err := c.want(http.StatusOK, http.MethodPost, "/fhir", bundles[i%len(bundles)], "Prefer: return=minimal")
				if err != nil {
					return err
				}
				kept.Add(int64(bytes.Count(answer, []byte(`"status":"20`))))
			}
			return working.Err()
		})
	}
	err := g.Wait()
	return float64(kept.Load()) / time.Since(begun).Seconds(), err
}

// everything reads everything of patients, page by page.
func everything(c *httpConn) (late *times, size float64, err error) {
	text, err := c.want(http.StatusOK, http.MethodGet, "/fhir/Patient?_count=20&_elements=id", nil)
	if err != nil {
		return nil, 0, err
	}
	late = newTimes()
	total, rounds := 0, 0
	for _, part := range bytes.Split(bytes.Clone(text), []byte(`/fhir/Patient/`))[1:] {
		id, _, _ := bytes.Cut(part, []byte(`"`))
		for range 3 {
			begun := time.Now()
			n, err := pagesOf(c, "/fhir/Patient/"+string(id)+"/$everything")
			if err != nil {
				return nil, 0, err
			}
			late.add(time.Since(begun))
			total, rounds = total+n, rounds+1
		}
	}
	if rounds == 0 {
		return nil, 0, fmt.Errorf("no patients are found: %.300s", text)
	}
	return late, float64(total) / float64(rounds), nil
}

// pagesOf reads all pages of an answer and returns how many entries they have.
func pagesOf(c *httpConn, path string) (int, error) {
	for n := 0; ; {
		text, err := c.want(http.StatusOK, http.MethodGet, path, nil)
		if err != nil {
			return n, err
		}
		n += bytes.Count(text, []byte(`"fullUrl":`))
		_, next, more := bytes.Cut(text, []byte(`{"relation":"next","url":"`))
		if !more {
			return n, nil
		}
		address, _, _ := bytes.Cut(next, []byte(`"`))
		u, err := url.Parse(string(address))
		if err != nil {
			return n, fmt.Errorf("read link: %w", err)
		}
		path = u.RequestURI()
	}
}

// fhirDay reads a day of readings back as Observations.
func (b *Bench) fhirDay(ctx context.Context) ([]Row, error) {
	var rows []Row
	err := b.with(ctx, func(s *Server) error {
		devices, err := s.Register(ctx, "day", profileVitals, 1)
		if err != nil {
			return err
		}
		b.tell("FHIR: a day of readings is sent and read back as Observations")
		if err := sendDays(ctx, s, devices); err != nil {
			return err
		}
		all, err := s.clients(ctx, 1)
		if err != nil {
			return err
		}
		path := "/fhir/Observation?code=8867-4&_count=100000&patient=" + devices[0].Patient
		n, wait := 0, time.Now()
		for n < day && time.Since(wait) < time.Minute {
			if n, err = pagesOf(all[0], path); err != nil {
				return err
			}
		}
		if n != day {
			return fmt.Errorf("a day of %d readings has %d Observations", day, n)
		}
		g := errgroup.Group{}
		g.Go(func() error { return b.profile(ctx, s, "fhir-day") })
		begun := time.Now()
		const rounds = 10
		for range rounds {
			if _, err := pagesOf(all[0], path); err != nil {
				return err
			}
		}
		rate := float64(rounds*day) / time.Since(begun).Seconds()
		if err := g.Wait(); err != nil {
			return err
		}
		rows = append(rows, atLeast("FHIR: 24 h at 1 Hz as Observations, streamed: resources", rate, "/s", 300_000))
		return nil
	})
	return rows, err
}
