package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// defaultCost is how many index entries a query may look at where nobody says.
const defaultCost = 1_000_000

// A search is one query under way.
type search struct {
	db    *DB
	q     *vigil.ResourceQuery
	purse *purse
	last  int64 // number of the last row
	// exact: the lists alone decide, rows need not be asked.
	exact bool
}

// search begins a query.
func (db *DB) search(ctx context.Context, q *vigil.ResourceQuery) (*search, error) {
	s := &search{db: db, q: q, purse: &purse{left: cmp.Or(q.Cost, defaultCost)}}
	err := db.rd.each(ctx, func(rows scanner) error { return rows.Scan(&s.last) }, `SELECT coalesce(max(rid), 0) FROM resources`)
	return s, err
}

// tests returns the conditions of a query, those that are in Every one by one.
func tests(all []vigil.ResourceTest) []vigil.ResourceTest {
	var out []vigil.ResourceTest
	for i := range all {
		if all[i].Every != nil && !all[i].Not {
			out = append(out, tests(all[i].Every)...)
		} else {
			out = append(out, all[i])
		}
	}
	return out
}

// start is the first place of lists: behind the row after which a page begins.
func (s *search) start(desc bool) int64 {
	switch {
	case s.q.After != nil && s.q.Order.By == vigil.ByCreation && desc:
		return -s.q.After.Row + 1
	case s.q.After != nil && s.q.Order.By == vigil.ByCreation:
		return s.q.After.Row + 1
	case desc:
		return -s.last
	}
	return 1
}

// candidates returns the list of rows that may be selected. All counts all of
// them: then every list is used that is exact.
func (s *search) candidates(ctx context.Context, desc, all bool) (list, error) {
	var lists []list
	s.exact = true
	conditions := tests(s.q.All)
	if all || len(conditions) == 0 {
		conditions = slices.Concat(conditions, s.typeTest())
	}
	for i := range conditions {
		l, err := s.list(ctx, &conditions[i], desc)
		if err != nil {
			return nil, err
		}
		if l == nil {
			s.exact = false
			continue
		}
		lists = append(lists, l)
	}
	if len(lists) == 0 && len(conditions) > 0 && len(s.q.Types) > 0 { // conditions without a list
		t := s.typeTest()
		l, err := s.list(ctx, &t[0], desc)
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	if len(lists) == 0 {
		s.exact = false
		return &everyRow{db: s.db, purse: s.purse, desc: desc, rows: s.last}, nil
	}
	bySize(lists)
	// A list that is much longer than the shortest costs more than to ask the
	// rows that the short one names.
	n, _ := lists[0].size()
	used := 1
	for used < len(lists) && (all && s.exact || worth(lists[used], n)) {
		used++
	}
	s.exact = s.exact && used == len(lists)
	if used == 1 {
		return lists[0], nil
	}
	return &intersection{lists[:used]}, nil
}

// worth tells whether it is worth while to read a list in order to spare some
// rows: to look at one costs some times as much as to read a posting.
func worth(l list, rows int) bool { return l.cost() <= 3*rows }

// typeTest returns the condition that a row is of one of the types of a query.
func (s *search) typeTest() []vigil.ResourceTest {
	if len(s.q.Types) == 0 {
		return nil
	}
	var tokens []uint64
	for _, t := range s.q.Types {
		tokens = append(tokens, typeToken(t))
	}
	return []vigil.ResourceTest{{Tokens: tokens}}
}

// mostGathered bounds the lists that are gathered from indexes in another order.
const mostGathered = 4096

// list returns the list of the rows that pass a condition; nil when there is
// none, or none that is short enough.
func (s *search) list(ctx context.Context, t *vigil.ResourceTest, desc bool) (list, error) {
	switch {
	case t.Not:
		return nil, nil
	case t.Tokens != nil:
		u := &union{}
		for _, k := range t.Tokens {
			if rids := s.db.recent.withToken(k); len(rids) > 0 {
				u.of = append(u.of, newFixed(rids, desc))
			}
			u.of = append(u.of, &posting{db: s.db, purse: s.purse, token: int64(k), desc: desc, last: s.end(desc)}) // #nosec G115 -- kept as it is
		}
		_, _, err := u.seek(ctx, s.start(desc)) // the first rows say how long it is
		if len(u.of) == 1 {
			return u.of[0], err
		}
		return u, err
	case t.IDs != nil:
		rids, err := s.db.ridsOf(ctx, s.q.Types, t.IDs)
		if err == nil {
			err = s.purse.spend(len(t.IDs))
		}
		s.exact = false // some may be deleted
		return newFixed(rids, desc), err
	case t.Span != nil, t.Line != nil:
		return s.gather(ctx, t, desc)
	case t.Any != nil:
		u := &union{}
		for i := range t.Any {
			l, err := s.list(ctx, &t.Any[i], desc)
			if l == nil || err != nil {
				return nil, err
			}
			u.of = append(u.of, l)
		}
		return u, nil
	case t.Every != nil:
		var best list
		for i := range t.Every {
			l, err := s.list(ctx, &t.Every[i], desc)
			if err != nil {
				return nil, err
			}
			if l == nil {
				continue
			}
			if best == nil || shorter(l, best) {
				best = l
			}
		}
		s.exact = false
		return best, nil
	}
	return &fixed{}, nil // nothing passes a test without a condition
}

func shorter(a, b list) bool {
	n, _ := a.size()
	m, _ := b.size()
	return n < m
}

// end is the place where all lists end.
func (s *search) end(desc bool) int64 {
	if desc {
		return 0
	}
	return s.last
}

// gather reads the rows that pass a condition on spans or timelines from their
// index; nil when there are too many.
func (s *search) gather(ctx context.Context, t *vigil.ResourceTest, desc bool) (list, error) {
	var rids []int64
	take := func(m vigil.ResourceMark) { rids = append(rids, m.Row) }
	var err error
	switch {
	case t.Line != nil:
		first, last := sliceBounds(t.Line)
		for _, line := range t.Line.Lines {
			for _, m := range s.db.recent.inTimeline(int64(line), first, last) { // #nosec G115 -- kept as it is
				take(m)
			}
			err = cmp.Or(err, s.db.entries(ctx, 0, take, `SELECT at, rid FROM timelines WHERE line = $1 AND at >= $2 AND at <= $3 LIMIT $4`,
				int64(line), first, last, mostGathered)) // #nosec G115 -- kept as it is
		}
	case t.Span.Param == vigil.ChangedParam:
		err = s.gatherChanges(ctx, t.Span, take)
	default:
		err = s.gatherSpans(ctx, t.Span, take)
	}
	if err != nil {
		return nil, err
	}
	if err := s.purse.spend(min(len(rids), mostGathered)); err != nil {
		return nil, err
	}
	if len(rids) >= mostGathered {
		return nil, nil
	}
	return newFixed(rids, desc), nil
}

// gatherSpans reads the rows with a span that lies like a range. Where its ends
// are said more closely than its beginnings, it goes by the ends.
func (s *search) gatherSpans(ctx context.Context, g *vigil.ResourceRange, take func(vigil.ResourceMark)) error {
	param := g.Param &^ classBits
	for class, width := range classWidths {
		if g.HiMax < math.MinInt64+width {
			continue
		}
		least, most := max(g.LoMin, minus(g.HiMin, width)), min(g.LoMax, minus(g.HiMax, width))
		p := int64(param | uint64(class)) // #nosec G115 -- kept as it is
		for _, m := range s.db.recent.inSpan(p, least, most, math.MinInt64, math.MaxInt64) {
			take(m)
		}
		err := s.db.entries(ctx, 0, take, `SELECT lo, rid FROM spans WHERE param = $1 AND lo >= $2 AND lo <= $3 LIMIT $4`,
			p, least, most, mostGathered)
		if err != nil {
			return err
		}
	}
	p, loMin, loMax, hiMin, hiMax := int64(param|classMixed), g.LoMin, min(g.LoMax, g.HiMax), g.HiMin, g.HiMax // #nosec G115 -- kept as it is
	if g.LoMin == math.MinInt64 && g.HiMin > math.MinInt64 {
		p, loMin, loMax, hiMin, hiMax = int64(param|classEnds), g.HiMin, g.HiMax, g.LoMin, g.LoMax // #nosec G115 -- kept as it is
	}
	for _, m := range s.db.recent.inSpan(p, loMin, loMax, hiMin, hiMax) {
		take(m)
	}
	return s.db.entries(ctx, 0, take, `SELECT lo, rid FROM spans WHERE param = $1 AND lo >= $2 AND lo <= $3 AND hi >= $4 AND hi <= $5 LIMIT $6`,
		p, loMin, loMax, hiMin, hiMax, mostGathered)
}

// minus subtracts a width, down to the least number that there is.
func minus(v, width int64) int64 {
	if v < math.MinInt64+width {
		return math.MinInt64
	}
	return v - width
}

// gatherChanges reads the rows whose last change lies in a range. What was
// written before an instant has changed before it, the reverse only nearly.
func (s *search) gatherChanges(ctx context.Context, g *vigil.ResourceRange, take func(vigil.ResourceMark)) error {
	types, err := s.db.typeNumbers(ctx, s.q.Types)
	for _, no := range types {
		err = cmp.Or(err, s.db.entries(ctx, 0, take, `SELECT written, rid FROM resources
			WHERE type = $1 AND written >= $2 AND written <= $3 + (SELECT max(lag) FROM resource_clock)
			AND written - lag >= $2 AND written - lag <= $3 AND (state & 1) = 0 LIMIT $4`,
			no, max(g.LoMin, g.HiMin), min(g.LoMax, g.HiMax, math.MaxInt64/2), mostGathered))
	}
	return err
}
