package store

import (
	"bytes"
	"context"
	"math"

	"github.com/vigil-iomt/vigil"
)

// A stream is the rows of an index in its order, perhaps from a mark on. Marks
// are without Last.
type stream struct {
	// load reads the next entries behind a mark.
	load  func(ctx context.Context, after vigil.ResourceMark, n int, take func(vigil.ResourceMark)) error
	after vigil.ResourceMark
	buf   []vigil.ResourceMark
	ended bool
	rows  int
}

// head returns the first entry that was not taken; false at the end.
func (s *stream) head(ctx context.Context, p *purse) (*vigil.ResourceMark, bool, error) {
	if len(s.buf) == 0 && !s.ended {
		s.rows = min(max(64, 4*s.rows), mostRows)
		s.buf = s.buf[:0]
		if err := s.load(ctx, s.after, s.rows, func(m vigil.ResourceMark) { s.buf = append(s.buf, m) }); err != nil {
			return nil, false, err
		}
		if err := p.spend(len(s.buf)); err != nil {
			return nil, false, err
		}
		s.ended = len(s.buf) < s.rows
		if len(s.buf) > 0 {
			s.after = s.buf[len(s.buf)-1]
		}
	}
	if len(s.buf) == 0 {
		return nil, false, nil
	}
	return &s.buf[0], true, nil
}

// streams are indexes that are read together in one order.
type streams struct {
	of    []*stream
	desc  bool
	purse *purse
	last  vigil.ResourceMark // that was taken
}

// next takes the next entry that is not the one before; false at the end.
func (s *streams) next(ctx context.Context) (vigil.ResourceMark, bool, error) {
	for {
		m, ok, err := s.take(ctx)
		if !ok || err != nil || m != s.last {
			s.last = m
			return m, ok, err
		}
	}
}

func (s *streams) take(ctx context.Context) (vigil.ResourceMark, bool, error) {
	var best *stream
	var least *vigil.ResourceMark
	for _, o := range s.of {
		m, ok, err := o.head(ctx, s.purse)
		if err != nil {
			return vigil.ResourceMark{}, false, err
		}
		if ok && (least == nil || compareMarks(m, least, s.desc) < 0) {
			best, least = o, m
		}
	}
	if best == nil {
		return vigil.ResourceMark{}, false, nil
	}
	best.buf = best.buf[1:]
	return *least, true, nil
}

// firstMark is before everything in an order.
func firstMark(desc bool) vigil.ResourceMark {
	if desc {
		return vigil.ResourceMark{Value: math.MaxInt64, Row: math.MaxInt64, Text: "~"}
	}
	return vigil.ResourceMark{Value: math.MinInt64, Row: math.MinInt64}
}

// inOrder returns the entries of the index of an order behind a mark.
func (db *DB) inOrder(ctx context.Context, q *vigil.ResourceQuery, p *purse) (*streams, error) {
	after := firstMark(q.Order.Desc)
	if q.After != nil {
		after = *q.After
	}
	out := &streams{desc: q.Order.Desc, purse: p}
	add := func(load func(context.Context, vigil.ResourceMark, int, func(vigil.ResourceMark)) error) {
		out.of = append(out.of, &stream{load: load, after: after})
	}
	switch {
	case q.Order.By == vigil.ByLine:
		first, last := lineBounds(q)
		for _, line := range q.Order.Lines {
			out.of = append(out.of, fromMemory(db.recent.inTimeline(int64(line), first, last), after, q.Order.Desc)) // #nosec G115 -- kept as it is
			add(db.timeline(line, first, last, q.Order.Desc))
		}
	case q.Order.By == vigil.BySpan && q.Order.Param != vigil.ChangedParam:
		classes := []uint64{0, 1, 2, 3, 4, classMixed}
		if q.Order.Desc {
			classes[5] = classEnds
		}
		for _, class := range classes {
			param, width := q.Order.Param&^classBits|class, int64(0)
			if q.Order.Desc && class < classMixed {
				width = classWidths[class]
			}
			marks := db.recent.inSpan(int64(param), math.MinInt64, math.MaxInt64, math.MinInt64, math.MaxInt64) // #nosec G115 -- kept as it is
			for i := range marks {
				marks[i].Value += width
			}
			out.of = append(out.of, fromMemory(marks, after, q.Order.Desc))
			add(db.spansInOrder(param, width, q.Order.Desc))
		}
	default:
		types, err := db.typeNumbers(ctx, q.Types)
		if err != nil {
			return nil, err
		}
		for _, no := range types {
			if q.Order.By == vigil.ByID {
				for _, uuids := range []bool{false, true} {
					add(db.idsInOrder(no, uuids, q.Order.Desc))
				}
				continue
			}
			add(db.changesInOrder(no, q.Order.Desc))
		}
	}
	return out, nil
}

// lineBounds returns the first and the last instant of the piece of timelines
// that a query selects and is sorted by.
func lineBounds(q *vigil.ResourceQuery) (first, last int64) {
	if t := lineTest(q); t != nil {
		return sliceBounds(t)
	}
	return math.MinInt64, math.MaxInt64
}

// lineTest returns the test of a query on the timelines that it is sorted by.
func lineTest(q *vigil.ResourceQuery) *vigil.ResourceSlice {
	for i := range q.All {
		t := &q.All[i]
		if t.Line == nil || t.Not || len(t.Line.Lines) != len(q.Order.Lines) {
			continue
		}
		same := true
		for k, line := range t.Line.Lines {
			same = same && line == q.Order.Lines[k]
		}
		if same {
			return t.Line
		}
	}
	return nil
}

// entries reads entries of two numbers: a value and a row.
func (db *DB) entries(ctx context.Context, shift int64, take func(vigil.ResourceMark), text string, args ...any) error {
	return db.rd.each(ctx, func(rows scanner) error {
		var m vigil.ResourceMark
		if err := rows.Scan(&m.Value, &m.Row); err != nil {
			return fault("read index of resources", err)
		}
		m.Value += shift
		take(m)
		return nil
	}, text, args...)
}

type loader = func(ctx context.Context, after vigil.ResourceMark, n int, take func(vigil.ResourceMark)) error

// timeline reads a timeline.
func (db *DB) timeline(line uint64, first, last int64, desc bool) loader {
	text := `SELECT at, rid FROM timelines WHERE line = $1 AND (at, rid) > ($2, $3) AND at >= $4 AND at <= $5 ORDER BY at, rid LIMIT $6`
	if desc {
		text = `SELECT at, rid FROM timelines WHERE line = $1 AND (at, rid) < ($2, $3) AND at >= $4 AND at <= $5 ORDER BY at DESC, rid DESC LIMIT $6`
	}
	return func(ctx context.Context, after vigil.ResourceMark, n int, take func(vigil.ResourceMark)) error {
		return db.entries(ctx, 0, take, text, int64(line), after.Value, after.Row, first, last, n) // #nosec G115 -- kept as it is
	}
}

// spansInOrder reads spans of one class: by their beginning, or downwards by
// their end, which is width behind what they are kept by.
func (db *DB) spansInOrder(param uint64, width int64, desc bool) loader {
	if !desc {
		return func(ctx context.Context, after vigil.ResourceMark, n int, take func(vigil.ResourceMark)) error {
			return db.entries(ctx, 0, take, `SELECT lo, rid FROM spans WHERE param = $1 AND (lo, rid) > ($2, $3) ORDER BY lo, rid LIMIT $4`,
				int64(param), after.Value, after.Row, n) // #nosec G115 -- kept as it is
		}
	}
	return func(ctx context.Context, after vigil.ResourceMark, n int, take func(vigil.ResourceMark)) error {
		if after.Value < math.MinInt64+width { // nothing ends before that
			return nil
		}
		return db.entries(ctx, width, take, `SELECT lo, rid FROM spans WHERE param = $1 AND (lo, rid) < ($2, $3) ORDER BY lo DESC, rid DESC LIMIT $4`,
			int64(param), after.Value-width, after.Row, n) // #nosec G115 -- kept as it is
	}
}

// changesInOrder reads the resources of a type by when they were written last.
func (db *DB) changesInOrder(typ int64, desc bool) loader {
	text := `SELECT written, rid FROM resources WHERE type = $1 AND written > $2 ORDER BY written LIMIT $3`
	if desc {
		text = `SELECT written, rid FROM resources WHERE type = $1 AND written < $2 ORDER BY written DESC LIMIT $3`
	}
	return func(ctx context.Context, after vigil.ResourceMark, n int, take func(vigil.ResourceMark)) error {
		return db.entries(ctx, 0, take, text, typ, after.Value, n)
	}
}

// idsInOrder reads the resources of a type by their ids: those that are UUIDs,
// or the others. Ids of several types may be the same: a mark's own comes again,
// and is left out by its row.
func (db *DB) idsInOrder(typ int64, uuids, desc bool) loader {
	text := `SELECT id, rid FROM resources WHERE type = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT $4`
	if desc {
		text = `SELECT id, rid FROM resources WHERE type = $1 AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT $4`
	}
	return func(ctx context.Context, after vigil.ResourceMark, n int, take func(vigil.ResourceMark)) error {
		least, most := idBounds(after.Text, uuids, desc)
		return db.rd.each(ctx, func(rows scanner) error {
			var id []byte
			var m vigil.ResourceMark
			if err := rows.Scan(&id, &m.Row); err != nil {
				return fault("read index of resources", err)
			}
			if m.Text = unpackID(id); compareMarks(&m, &after, desc) > 0 {
				take(m)
			}
			return nil
		}, text, typ, least, most, n+1)
	}
}

// idBounds returns between which stored forms, the second excluded, the ids from
// a mark on are.
func idBounds(mark string, uuids, desc bool) (least, most []byte) {
	least, most = []byte{uuidMark + 1}, []byte{0xff}
	edge, ok := []byte(mark), true
	if uuids {
		least, most = []byte{uuidMark}, []byte{uuidMark + 1}
		edge, ok = leastUUID(mark)
	}
	switch {
	case desc && ok:
		most = append(edge, 0)
	case desc || bytes.Compare(edge, least) < 0 && ok:
	case ok:
		least = edge
	default:
		least = most
	}
	return least, most
}

// leastUUID returns the stored form of the first UUID whose text is not before a
// text; false when there is none.
func leastUUID(text string) ([]byte, bool) {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	digits := make([]byte, 0, 32)
	carry := false
	for i := 0; i < len(form) && i < len(text); i++ {
		c := text[i]
		if form[i] == '-' {
			if c == '-' {
				continue
			}
			carry = c > '-'
			break
		}
		if d := hexDigit(c); d < 16 {
			digits = append(digits, d)
			continue
		}
		switch {
		case c > 'f':
			carry = true
		case c > '9':
			digits = append(digits, 10)
		}
		break
	}
	carry = carry || len(text) > len(form) && len(digits) == 32
	for i := len(digits) - 1; carry && i >= 0; i-- {
		digits[i]++
		if carry = digits[i] == 16; carry {
			digits[i] = 0
		}
	}
	digits = digits[:cap(digits)]
	b := make([]byte, 17)
	b[0] = uuidMark
	for i := range 16 {
		b[i+1] = digits[2*i]<<4 | digits[2*i+1]
	}
	return b, !carry
}
