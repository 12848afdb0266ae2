package reading

import (
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// Read returns a version of a projected resource; version 0 is the newest.
func (s *Source) Read(ctx context.Context, typ, id string, version int64) (vigil.Resource, error) {
	if typ == DeviceMetric {
		r, err := s.findMeter(ctx, id)
		if err == nil && version > 1 {
			err = noVersion(typ)
		}
		return r, err
	}
	t, err := s.track(ctx, typ, id)
	if err != nil {
		return vigil.Resource{}, err
	}
	states, show := t.states(), s.shown(typ)
	if version == 0 {
		return show(states[len(states)-1]), nil
	}
	for _, r := range states {
		if int64(r.summary().version) == version {
			return show(r), nil
		}
	}
	return vigil.Resource{}, noVersion(typ)
}

// noVersion is what an id finds in a version that never was.
func noVersion(typ string) error {
	return vigil.Errorf(vigil.NotFound, "this %s has no such version", typ)
}

// History returns all versions of a projected resource, the newest first.
func (s *Source) History(ctx context.Context, typ, id string) ([]vigil.Resource, error) {
	if typ == DeviceMetric {
		r, err := s.findMeter(ctx, id)
		return []vigil.Resource{r}, err
	}
	t, err := s.track(ctx, typ, id)
	if err != nil {
		return nil, err
	}
	var out []vigil.Resource
	for i, r := range t.states() {
		x := s.shown(typ)(r)
		if x.Method = "PUT"; i == 0 {
			x.Method = "POST"
		}
		out = append(out, x)
	}
	slices.Reverse(out)
	return out, nil
}
