package reading

import (
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// Read returns a version of a projected resource; version 0 is the newest.
func (s *Source) Read(ctx context.Context, typ, id string, version int64) (vigil.Resource, error) {
	if typ != Observation {
		return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "there is no such %s", typ)
	}
	t, err := s.find(ctx, id)
	if err != nil {
		return vigil.Resource{}, err
	}
	states := t.states()
	if version == 0 {
		return s.resource(states[len(states)-1]), nil
	}
	for _, r := range states {
		if int64(r.summary().version) == version {
			return s.resource(r), nil
		}
	}
	return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "this %s has no version %d", typ, version)
}

// History returns all versions of a projected resource, the newest first.
func (s *Source) History(ctx context.Context, typ, id string) ([]vigil.Resource, error) {
	if typ != Observation {
		return nil, vigil.Errorf(vigil.NotFound, "there is no such %s", typ)
	}
	t, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []vigil.Resource
	for i, r := range t.states() {
		x := s.resource(r)
		if x.Method = "PUT"; i == 0 {
			x.Method = "POST"
		}
		out = append(out, x)
	}
	slices.Reverse(out)
	return out, nil
}
