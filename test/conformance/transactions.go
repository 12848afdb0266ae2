package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// transactions sends what a personal health gateway uploads (PHD 2.0.0) twice:
// the second time nothing is made but what has no condition.
func transactions(ctx context.Context, b *bench) ([]outcome, error) {
	all, err := devices.read(&bench{data: b.data})
	if err != nil {
		return nil, err
	}
	return b.serving(ctx, nil, func(c *client) ([]outcome, error) {
		var out []outcome
		for _, e := range all {
			if e.resource["type"] == "transaction" {
				out = append(out, outcome{name: e.name, failed: why(c.twice(ctx, e))})
			}
		}
		return out, nil
	})
}

func (c *client) twice(ctx context.Context, e example) error {
	// A digit of the example's condition is in the wrong place, so that it would
	// never find the patient that it makes.
	raw := bytes.Replace(e.raw, []byte("identifier=urn:oid:2.9991."), []byte("identifier=urn:oid:2.999.1."), 1)
	var sent struct {
		Entry []struct {
			Request struct{ IfNoneExist string }
		}
	}
	if err := json.Unmarshal(raw, &sent); err != nil {
		return fmt.Errorf("read the transaction: %w", err)
	}
	first, err := c.transact(ctx, raw)
	if err != nil {
		return fmt.Errorf("the first time: %w", err)
	}
	second, err := c.transact(ctx, raw)
	if err != nil {
		return fmt.Errorf("the second time: %w", err)
	}
	if len(first) != len(sent.Entry) || len(second) != len(sent.Entry) {
		return fmt.Errorf("%d entries got %d and %d answers", len(sent.Entry), len(first), len(second))
	}
	for i, x := range sent.Entry {
		conditional := x.Request.IfNoneExist != ""
		if conditional != (second[i].Status == "200 OK") || conditional && first[i].Location != second[i].Location {
			return fmt.Errorf("entry %d: %s the second time, at %s and %s", i, second[i].Status, first[i].Location, second[i].Location)
		}
	}
	return nil
}

// A response is what became of an entry.
type response struct{ Status, Location string }

func (c *client) transact(ctx context.Context, raw []byte) ([]response, error) {
	status, answer, err := c.do(ctx, "POST", "", raw, nil)
	if err := wrong("POST", http.StatusOK, status, answer, err); err != nil {
		return nil, err
	}
	var bundle struct {
		Entry []struct{ Response response }
	}
	if err := json.Unmarshal(answer, &bundle); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	out := make([]response, len(bundle.Entry))
	for i, e := range bundle.Entry {
		out[i] = e.Response
	}
	return out, nil
}
