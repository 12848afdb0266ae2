package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// SelectResources returns the resources that a query selects. A query that
// would have to look at more than its cost allows is vigil.TooLarge.
func (db *DB) SelectResources(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	q.Limit = cmp.Or(q.Limit, defaultLimit)
	q.Order = plainOrder(q.Order)
	s, err := db.search(ctx, &q)
	if err != nil {
		return nil, err
	}
	var rows []*resourceRow
	if q.Order.By == vigil.ByCreation {
		rows, err = s.inCreation(ctx, func(*resourceRow) bool { return true })
	} else {
		rows, err = s.sorted(ctx)
	}
	if err != nil {
		return nil, err
	}
	return db.hits(rows, &q)
}

// plainOrder returns an order with one name for each: that by spans of the last
// change is that by change.
func plainOrder(o vigil.ResourceOrder) vigil.ResourceOrder {
	if o.By == vigil.BySpan && o.Param == vigil.ChangedParam {
		o.By = vigil.ByChange
	}
	return o
}

// hits makes results of rows.
func (db *DB) hits(rows []*resourceRow, q *vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	out := make([]vigil.ResourceHit, len(rows))
	for i, r := range rows {
		if q.Bodies && r.Body == nil {
			if err := db.openBody(&r.Resource, r.sealed); err != nil {
				return nil, err
			}
		}
		out[i] = vigil.ResourceHit{Resource: r.Resource, Mark: r.mark(q)}
	}
	return out, nil
}

// How many rows are fetched at once.
const (
	leastFetched = 16
	mostFetched  = 256
)

// inCreation returns the rows that a query selects in the order of creation, as
// long as also more holds.
func (s *search) inCreation(ctx context.Context, more func(*resourceRow) bool) ([]*resourceRow, error) {
	desc := s.q.Order.Desc
	l, err := s.candidates(ctx, desc, false)
	if err != nil {
		return nil, err
	}
	var out []*resourceRow
	to, size := s.start(desc), min(max(s.q.Limit, leastFetched), mostFetched)
	for ended := false; !ended && len(out) < s.q.Limit; size = mostFetched {
		var places []int64
		for len(places) < size {
			at, ok, err := l.seek(ctx, to)
			if err != nil {
				return nil, err
			}
			if ended = !ok; ended {
				break
			}
			places, to = append(places, at), at+1
		}
		rows, err := s.rows(ctx, places, s.q.Bodies)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r.passes(s.q) && more(r) && len(out) < s.q.Limit {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// rows fetches the rows of places, in their order.
func (s *search) rows(ctx context.Context, places []int64, bodies bool) ([]*resourceRow, error) {
	if err := s.purse.spend(len(places)); err != nil {
		return nil, err
	}
	rids := make([]int64, len(places))
	for i, at := range places {
		rids[i] = max(at, -at)
	}
	byRid, err := s.db.fetch(ctx, rids, bodies)
	if err != nil {
		return nil, err
	}
	out := make([]*resourceRow, 0, len(rids))
	for _, rid := range rids {
		if r := byRid[rid]; r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// sorted returns the rows that a query selects in another order than that of
// creation: either it sorts all of them, or it goes along an index that has the
// order, whatever looks at less.
func (s *search) sorted(ctx context.Context) ([]*resourceRow, error) {
	if s.q.Order.By == vigil.ByLine && lineTest(s.q) != nil {
		return s.along(ctx, nil) // the index has just what is wanted
	}
	l, err := s.candidates(ctx, false, true)
	if err != nil {
		return nil, err
	}
	n, exact := l.size()
	// Along the index, one row in so many is a candidate.
	most := int(math.Sqrt(float64(s.q.Limit) * float64(s.last)))
	if _, all := l.(*everyRow); !all && n <= max(most, mostGathered/2) && (exact || n <= s.purse.left/2) {
		return s.gathered(ctx, l)
	}
	// As many rows would be fetched in vain unless it is known which are not
	// candidates.
	if n <= mostMembers && l.cost() <= 3*s.q.Limit*int(s.last)/max(n, 1) {
		members, err := membersOf(ctx, l)
		if err != nil {
			return nil, err
		}
		return s.along(ctx, members)
	}
	return s.along(ctx, nil)
}

// mostMembers bounds how many candidates are kept in memory.
const mostMembers = 200_000

// membersOf reads a whole list.
func membersOf(ctx context.Context, l list) (map[int64]bool, error) {
	members := map[int64]bool{}
	for to := int64(1); ; {
		at, ok, err := l.seek(ctx, to)
		if err != nil || !ok {
			return members, err
		}
		members[at], to = true, at+1
	}
}

// gathered fetches all candidates and sorts them. Bodies are read for the page
// only.
func (s *search) gathered(ctx context.Context, l list) ([]*resourceRow, error) {
	type marked struct {
		row  *resourceRow
		mark vigil.ResourceMark
	}
	var found []marked
	order := func(a, b marked) int { return compareMarks(&a.mark, &b.mark, s.q.Order.Desc) }
	for to, ended := int64(1), false; !ended; {
		var places []int64
		for len(places) < mostFetched {
			at, ok, err := l.seek(ctx, to)
			if err != nil {
				return nil, err
			}
			if ended = !ok; ended {
				break
			}
			places, to = append(places, at), at+1
		}
		rows, err := s.rows(ctx, places, false)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			m := marked{r, r.mark(s.q)}
			if r.passes(s.q) && (s.q.After == nil || compareMarks(&m.mark, s.q.After, s.q.Order.Desc) > 0) {
				found = append(found, m)
			}
		}
		if len(found) > 2*s.q.Limit+mostFetched {
			slices.SortFunc(found, order)
			found = found[:s.q.Limit]
		}
	}
	slices.SortFunc(found, order)
	found = found[:min(len(found), s.q.Limit)]
	out, rids := make([]*resourceRow, len(found)), make([]int64, len(found))
	for i, m := range found {
		out[i], rids[i] = m.row, m.row.rid
	}
	if !s.q.Bodies {
		return out, nil
	}
	// A row may have become another since: it is shown as it was found.
	bodies, err := s.db.fetch(ctx, rids, true)
	if err != nil {
		return nil, err
	}
	for i, r := range out {
		b := bodies[r.rid]
		if b != nil && b.Version == r.Version {
			out[i] = b
			continue
		}
		old, err := s.db.ResourceVersion(ctx, r.Type, r.ID, r.Version)
		if err != nil {
			return nil, err
		}
		r.Body = old.Body
	}
	return out, nil
}

// along returns rows as the index of the order has them, and behind them those
// that are not in it. Members are the only rows that may be selected, nil when
// that is not known.
func (s *search) along(ctx context.Context, members map[int64]bool) ([]*resourceRow, error) {
	var out []*resourceRow
	if s.q.After == nil || !s.q.After.Last {
		index, err := s.db.inOrder(ctx, s.q, s.purse)
		if err != nil {
			return nil, err
		}
		size := min(max(s.q.Limit, leastFetched), mostFetched)
		for ended := false; !ended && len(out) < s.q.Limit; size = mostFetched {
			some, end, err := s.stretch(ctx, index, size, members)
			if err != nil {
				return nil, err
			}
			out, ended = append(out, some...), end
		}
	}
	if left := s.q.Limit - len(out); left <= 0 || s.q.Order.By == vigil.ByID || s.q.Order.By == vigil.ByChange || lineTest(s.q) != nil && s.q.Order.By == vigil.ByLine {
		return out[:min(len(out), s.q.Limit)], nil
	}
	rest := *s.q
	rest.Order, rest.Limit = vigil.ResourceOrder{Desc: s.q.Order.Desc}, s.q.Limit-len(out)
	if rest.After != nil && !rest.After.Last {
		rest.After = nil
	}
	t := &search{db: s.db, q: &rest, purse: s.purse, last: s.last}
	last, err := t.inCreation(ctx, func(r *resourceRow) bool {
		m := r.mark(s.q)
		return m.Last
	})
	return append(out, last...), err
}

// stretch returns the selected rows among the next entries of an index. A row
// that is there several times counts at its best place only.
func (s *search) stretch(ctx context.Context, index *streams, size int, members map[int64]bool) (out []*resourceRow, ended bool, err error) {
	var marks []vigil.ResourceMark
	var rids []int64
	for len(marks) < size {
		m, ok, err := index.next(ctx)
		if err != nil {
			return nil, false, err
		}
		if ended = !ok; ended {
			break
		}
		if members == nil || members[m.Row] {
			marks, rids = append(marks, m), append(rids, m.Row)
		}
	}
	slices.Sort(rids)
	rows, err := s.rows(ctx, slices.Compact(rids), s.q.Bodies)
	if err != nil {
		return nil, false, err
	}
	byRid := make(map[int64]*resourceRow, len(rows))
	for _, r := range rows {
		byRid[r.rid] = r
	}
	for _, m := range marks {
		r := byRid[m.Row]
		if r == nil || !r.passes(s.q) {
			continue
		}
		if best := r.mark(s.q); best == m {
			out = append(out, r)
		}
	}
	return out, ended, nil
}

// CountResources counts what a query selects, without its bounds on a page. When
// that costs more than the query allows, it estimates, which is not exact.
func (db *DB) CountResources(ctx context.Context, q vigil.ResourceQuery) (n int64, exact bool, err error) {
	q.Order, q.After, q.Limit, q.Bodies = vigil.ResourceOrder{}, nil, defaultLimit, false
	s, err := db.search(ctx, &q)
	if err != nil {
		return 0, false, err
	}
	to := int64(1)
	n, err = s.count(ctx, &to)
	if vigil.KindOf(err) != vigil.TooLarge {
		return n, err == nil, err
	}
	// What was counted up to here, for the whole.
	return int64(float64(n) * float64(s.last) / float64(max(to, 1))), false, nil
}

// count counts rows and says how far it came.
func (s *search) count(ctx context.Context, to *int64) (n int64, err error) {
	l, err := s.candidates(ctx, false, true)
	if err != nil {
		return 0, err
	}
	for {
		var places []int64
		for s.exact || len(places) < mostFetched {
			at, ok, err := l.seek(ctx, *to)
			if err != nil {
				return n, err
			}
			if !ok {
				more, err := s.countRows(ctx, places)
				return n + more, err
			}
			*to = at + 1
			if s.exact {
				n++
			} else {
				places = append(places, at)
			}
		}
		more, err := s.countRows(ctx, places)
		if n += more; err != nil {
			return n, err
		}
	}
}

// countRows counts the selected ones among rows.
func (s *search) countRows(ctx context.Context, places []int64) (n int64, err error) {
	if len(places) == 0 {
		return 0, nil
	}
	rows, err := s.rows(ctx, places, false)
	for _, r := range rows {
		if r.passes(s.q) {
			n++
		}
	}
	return n, err
}
