package rest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// The bounds of a page.
const (
	defaultCount = 50
	maxCount     = 1000
	// maxLooked bounds how many versions one page of a history looks at when
	// _at leaves some out.
	maxLooked = 5000
)

// A chronicle is what a history asks for (http.html#history).
type chronicle struct {
	q      vigil.ResourceHistory
	count  int
	at     *vigil.Interval // of _at
	self   url.Values
	marked bool // a page behind the first
}

// history is the history of a resource, of a type or of everything.
func (s *Server) history(ctx context.Context, c *call) (*answer, error) {
	h, err := s.chronicle(c)
	if err != nil {
		return nil, err
	}
	found, next, err := s.versions(ctx, c, h)
	if err != nil {
		return nil, err
	}
	if c.id != "" && len(found) == 0 && !h.marked {
		if _, err := s.fetch(ctx, c.typ, c.id, ""); err != nil {
			return nil, err
		}
	}
	b := newBundle("history")
	address := c.base
	for _, p := range c.path {
		address += "/" + p
	}
	b.link("self", address, h.self, "")
	if next != 0 {
		b.link("next", address, h.self, s.seal.close("history", strconv.AppendInt(nil, next, 10)))
	} else if !h.marked && c.id != "" && h.count > 0 {
		b.total = len(found)
	}
	for _, r := range found {
		body := r.Body
		if c.shape.cuts() && len(body) > 0 {
			if body, err = s.cut(&c.shape, r.Type, body); err != nil {
				return nil, err
			}
		}
		b.version(c.base, r, body)
	}
	return &answer{status: http.StatusOK, body: b.bytes(c.now)}, nil
}

// chronicle reads the parameters of a history.
func (s *Server) chronicle(c *call) (*chronicle, error) {
	v, err := c.values()
	if err != nil {
		return nil, err
	}
	h := &chronicle{q: vigil.ResourceHistory{Type: c.typ, ID: c.id}, count: defaultCount, self: url.Values{}}
	for name, values := range v {
		value := values[0]
		switch name {
		case "_count":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return nil, bad("_count is a number of entries, 0 or more").at(name)
			}
			h.count = min(n, maxCount)
		case "_since":
			period, err := dateRange(value)
			if err != nil {
				return nil, err.at(name)
			}
			h.q.Since = period.From
		case "_at":
			period, err := dateRange(value)
			if err != nil {
				return nil, err.at(name)
			}
			h.at, h.q.Until = &period, period.To
		case "_cursor":
			raw, err := s.seal.open("history", value)
			if err != nil {
				return nil, err
			}
			h.q.Before, _ = strconv.ParseInt(string(raw), 10, 64)
			h.marked = true
			continue
		case "_format", "_pretty":
			continue
		case "_summary", "_elements":
		default:
			if c.prefer.strict {
				return nil, notSupported(http.StatusBadRequest, "a history knows _count, _since and _at, not %s", clip(name)).at(clip(name))
			}
			continue
		}
		h.self.Set(name, value)
	}
	return h, nil
}

// versions returns a page of versions, the newest first, and where the next
// page begins, 0 behind the last.
func (s *Server) versions(ctx context.Context, c *call, h *chronicle) (found []vigil.Resource, next int64, err error) {
	looked, size := 0, 0
	for len(found) < h.count {
		h.q.Limit = min(h.count-len(found)+1, few)
		page, err := s.c.Record.ResourceHistory(ctx, h.q)
		if err != nil && vigil.KindOf(err) == vigil.NotFound {
			break // nobody has written on it
		}
		if err != nil {
			return nil, 0, err
		}
		for _, r := range page {
			if len(found) == h.count || looked > maxLooked || size > maxPage {
				return found, h.q.Before, nil
			}
			size += len(r.Body)
			if looked++; h.at == nil || r.Changed >= h.at.From || s.wasNewest(ctx, r, h.at.From) {
				found = append(found, r)
			}
			h.q.Before = r.Written
		}
		if len(page) < h.q.Limit {
			break
		}
	}
	if c.id == "" || len(found) == h.count {
		return found, 0, nil
	}
	return s.firstVersions(ctx, c, h, found)
}

// wasNewest tells whether a version was the newest at a time behind it.
func (s *Server) wasNewest(ctx context.Context, r vigil.Resource, at vigil.Instant) bool {
	newest, err := s.c.Record.ResourceHistory(ctx, vigil.ResourceHistory{Type: r.Type, ID: r.ID, Until: at + 1, Limit: 1})
	return err == nil && len(newest) == 1 && newest[0].Version == r.Version
}

// firstVersions adds the versions that a source shows of a resource from before
// somebody wrote on it.
func (s *Server) firstVersions(ctx context.Context, c *call, h *chronicle, found []vigil.Resource) ([]vigil.Resource, int64, error) {
	for _, src := range s.sourcesOf(c.typ) {
		shown, err := src.History(ctx, c.typ, c.id)
		if err != nil && vigil.KindOf(err) == vigil.NotFound {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		slices.SortFunc(shown, func(a, b vigil.Resource) int { return int(b.Version - a.Version) })
		for _, r := range shown {
			before := len(found) == 0 || r.Version < found[len(found)-1].Version
			if before && r.Changed >= h.q.Since && (h.q.Until == 0 || r.Changed < h.q.Until) && len(found) < h.count {
				found = append(found, r)
			}
		}
	}
	return found, 0, nil
}
