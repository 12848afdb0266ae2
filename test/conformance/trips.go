package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// roundTrips writes each example, reads it back as JSON and as XML, writes what
// was read as XML, and wants what was written at first, apart from the version.
func (s *source) roundTrips(ctx context.Context, b *bench) ([]outcome, error) {
	rules, err := s.rules(b)
	if err != nil {
		return nil, err
	}
	return s.stored(ctx, b, func(c *client, all []example, refused map[string]string) ([]outcome, error) {
		out := make([]outcome, 0, len(all))
		for _, e := range all {
			o := outcome{name: e.name, failed: refused[e.name]}
			if reason := broken[e.name]; reason != "" {
				if o.failed == "" {
					o.failed = "accepted, although " + reason
				} else {
					o = outcome{name: e.name, skipped: "rightly refused: " + reason}
				}
				out = append(out, o)
				continue
			}
			if o.failed == "" {
				o.failed = why(rules(e))
			}
			if o.failed == "" {
				o.failed = why(c.comesBack(ctx, e))
			}
			out = append(out, o)
		}
		return out, nil
	})
}

// broken are examples that have to be refused: one breaks the specification it
// comes with, and subscriptions may only send to hosts that the administrator
// named, so that a test must not name that of the examples.
var broken = map[string]string{
	"Questionnaire-qs1.json":          "items have neither linkId nor type, which are required",
	"Subscription-example.json":       "it sends to a host that is not in the setting subscription-hosts",
	"Subscription-example-error.json": "it sends to a host that is not in the setting subscription-hosts",
}

// rules returns a check of an example by the profiles that it names.
func (s *source) rules(b *bench) (func(example) error, error) {
	if !s.profile {
		return func(example) error { return nil }, nil
	}
	set, err := s.set(b)
	if err != nil {
		return nil, err
	}
	checker := check.New(set, terms.New(set))
	return func(e example) error {
		doc, err := tree.Parse(e.raw)
		if err != nil {
			return err
		}
		for _, i := range checker.Check(doc, check.Options{Level: check.Profiles, Now: time.Now()}) {
			if i.Severity >= check.Error {
				return fmt.Errorf("%s: %s", i.Expression, i.Message)
			}
		}
		return nil
	}, nil
}

// comesBack says what a resource lost on its way through the server.
func (c *client) comesBack(ctx context.Context, e example) error {
	at := e.typ + "/" + e.id
	if err := c.same(ctx, at, e); err != nil {
		return fmt.Errorf("as JSON: %w", err)
	}
	status, xml, err := c.do(ctx, "GET", at, nil, http.Header{"Accept": {"application/fhir+xml"}})
	if err := wrong("read as XML", http.StatusOK, status, xml, err); err != nil {
		return err
	}
	status, answer, err := c.do(ctx, "PUT", at, xml, http.Header{"Content-Type": {"application/fhir+xml"}})
	if err := wrong("write as XML", 0, status, answer, err); err != nil {
		return err
	}
	if err := c.same(ctx, at, e); err != nil {
		return fmt.Errorf("through XML: %w", err)
	}
	return nil
}

// same reads a resource and compares it with what was written.
func (c *client) same(ctx context.Context, at string, e example) error {
	status, raw, err := c.do(ctx, "GET", at, nil, nil)
	if err := wrong("read", http.StatusOK, status, raw, err); err != nil {
		return err
	}
	got, err := decode(raw)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	want, err := decode(e.raw)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if a, b := plain(got), plain(want); a != b {
		return fmt.Errorf("got %s, want %s", clip([]byte(a)), clip([]byte(b)))
	}
	return nil
}

// plain writes a resource without what the server sets: its version and the time
// of its change.
func plain(r map[string]any) string {
	if meta, ok := r["meta"].(map[string]any); ok {
		delete(meta, "versionId")
		delete(meta, "lastUpdated")
		if len(meta) == 0 {
			delete(r, "meta")
		}
	}
	out, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(out)
}
