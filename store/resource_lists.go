package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A list is an ascending list of places: of the numbers of rows, or of their
// negatives where the order is downwards.
type list interface {
	// seek returns the first place that is not before to; false at the end.
	// Calls never go back.
	seek(ctx context.Context, to int64) (int64, bool, error)
	// size is about how many places there are, and whether that is exact.
	size() (n int, exact bool)
	// cost is about how many rows of the database it takes to read all of it.
	cost() int
}

// A purse bounds what a query may cost: the index entries that it looks at.
type purse struct{ left int }

// spend pays for n entries.
func (p *purse) spend(n int) error {
	if p.left -= n; p.left < 0 {
		return vigil.Errorf(vigil.TooLarge, "this search looks at too much; say more closely what is wanted")
	}
	return nil
}

// fixed is a list that is in memory.
type fixed struct {
	at  []int64
	pos int
}

// newFixed returns the list of some rows.
func newFixed(rids []int64, desc bool) *fixed {
	at := slices.Clone(rids)
	if desc {
		for i := range at {
			at[i] = -at[i]
		}
	}
	slices.Sort(at)
	return &fixed{at: slices.Compact(at)}
}

func (l *fixed) seek(_ context.Context, to int64) (int64, bool, error) {
	for l.pos < len(l.at) && l.at[l.pos] < to {
		l.pos++
	}
	if l.pos == len(l.at) {
		return 0, false, nil
	}
	return l.at[l.pos], true, nil
}

func (l *fixed) size() (int, bool) { return len(l.at), true }

func (l *fixed) cost() int { return 0 }

// A posting is the list of the rows that have a token.
type posting struct {
	db    *DB
	purse *purse
	token int64
	desc  bool
	last  int64 // place where all lists end

	fixed        // what is loaded
	first  int64 // place where loading began
	next   int64 // place behind what is loaded
	begun  bool  // something was loaded
	ended  bool  // nothing is behind what is loaded
	rows   int   // to load next
	read   int   // rows that were loaded last
	loaded []int64
}

// How many rows of postings are loaded at once: few first, as most lists are
// short or are looked at in their beginning only.
const (
	firstRows = 16
	mostRows  = 1024
)

func (l *posting) seek(ctx context.Context, to int64) (int64, bool, error) {
	for {
		if l.begun {
			if at, ok, _ := l.fixed.seek(ctx, to); ok || l.ended {
				return at, ok, nil
			}
		}
		if err := l.load(ctx, to); err != nil {
			return 0, false, err
		}
	}
}

// load loads what begins at a place, or behind what is loaded.
func (l *posting) load(ctx context.Context, to int64) error {
	if !l.begun {
		l.first, l.rows, l.begun = to, firstRows, true
	} else {
		to = max(to, l.next)
	}
	l.loaded = l.loaded[:0]
	text, start := `SELECT rid, more FROM postings WHERE token = $1 AND rid >= $2 ORDER BY rid LIMIT $3`, to
	if l.desc {
		text, start = `SELECT rid, more FROM postings WHERE token = $1 AND rid <= $2 ORDER BY rid DESC LIMIT $3`, -to
	}
	start = start >> blockBits << blockBits
	if l.desc {
		start |= 1<<blockBits - 1
	}
	n, edge, err := l.scan(ctx, text, start, l.rows)
	if err != nil {
		return err
	}
	if n < l.rows {
		l.ended = true
	} else if err := l.complete(ctx, edge); err != nil {
		return err
	}
	if err := l.purse.spend(n + len(l.loaded)/8); err != nil { // those of a row come cheap
		return err
	}
	if l.desc {
		for i := range l.loaded {
			l.loaded[i] = -l.loaded[i]
		}
	}
	l.read = n
	slices.Sort(l.loaded)
	l.fixed = fixed{at: slices.Compact(l.loaded)}
	l.rows = min(4*l.rows, mostRows)
	return nil
}

// complete loads the rest of the block in which loading has stopped: its rows
// overlap.
func (l *posting) complete(ctx context.Context, edge int64) error {
	block := edge >> blockBits << blockBits
	var err error
	if l.desc {
		l.next = -(block - 1)
		_, _, err = l.scan(ctx, `SELECT rid, more FROM postings WHERE token = $1 AND rid < $2 AND rid >= $3`, edge, block)
	} else {
		l.next = block + 1<<blockBits
		_, _, err = l.scan(ctx, `SELECT rid, more FROM postings WHERE token = $1 AND rid > $2 AND rid < $3`, edge, l.next)
	}
	return err
}

// scan adds rows of the posting to loaded, and returns how many there were and
// where the last began.
func (l *posting) scan(ctx context.Context, text string, args ...any) (n int, edge int64, err error) {
	err = l.db.rd.each(ctx, func(rows scanner) error {
		var more []byte
		if err := rows.Scan(&edge, &more); err != nil {
			return fault("read posting", err)
		}
		n++
		var err error
		if l.loaded, err = appendRids(l.loaded, edge, more); err != nil {
			return damaged("posting", err)
		}
		return nil
	}, text, append([]any{l.token}, args...)...)
	return n, edge, err
}

func (l *posting) size() (int, bool) {
	if l.ended {
		return len(l.at), true
	}
	covered, all := float64(l.next-l.first), float64(l.last-l.first)
	return len(l.at) + 1 + int(float64(len(l.at))*max(0, all/max(covered, 1)-1)), false
}

func (l *posting) cost() int {
	n, _ := l.size()
	return n * l.read / max(len(l.at), 1)
}

// union is the list of everything that is in one of several.
type union struct {
	of    []list
	heads []int64
	live  []bool
	begun bool
}

func (l *union) seek(ctx context.Context, to int64) (int64, bool, error) {
	if !l.begun {
		l.begun, l.heads, l.live = true, make([]int64, len(l.of)), make([]bool, len(l.of))
		for i := range l.of {
			l.heads[i], l.live[i] = math.MinInt64, true
		}
	}
	best, found := int64(math.MaxInt64), false
	for i, o := range l.of {
		if l.live[i] && l.heads[i] < to {
			var err error
			if l.heads[i], l.live[i], err = o.seek(ctx, to); err != nil {
				return 0, false, err
			}
		}
		if l.live[i] && l.heads[i] <= best {
			best, found = l.heads[i], true
		}
	}
	return best, found, nil
}

func (l *union) size() (int, bool) {
	sum, exact := 0, true
	for _, o := range l.of {
		n, e := o.size()
		sum, exact = sum+n, exact && e
	}
	return sum, exact
}

func (l *union) cost() int {
	sum := 0
	for _, o := range l.of {
		sum += o.cost()
	}
	return sum
}

// intersection is the list of everything that is in each of several, the
// shortest first.
type intersection struct{ of []list }

func (l *intersection) seek(ctx context.Context, to int64) (int64, bool, error) {
	for i := 0; i < len(l.of); i++ {
		at, ok, err := l.of[i].seek(ctx, to)
		if err != nil || !ok {
			return 0, false, err
		}
		if at != to {
			to = at
			if i > 0 {
				i = -1 // the others have to come there, too
			}
		}
	}
	return to, true, nil
}

func (l *intersection) size() (int, bool) { return l.of[0].size() }

func (l *intersection) cost() int { return l.of[0].cost() }

// everyRow is the list of all rows, deleted ones among them.
type everyRow struct {
	db    *DB
	purse *purse
	desc  bool
	rows  int64 // there may be
	fixed
	ended bool
}

func (l *everyRow) seek(ctx context.Context, to int64) (int64, bool, error) {
	for {
		if at, ok, _ := l.fixed.seek(ctx, to); ok || l.ended {
			return at, ok, nil
		}
		if n := len(l.at); n > 0 {
			to = max(to, l.at[n-1]+1)
		}
		text, start := `SELECT rid FROM resources WHERE rid >= $1 ORDER BY rid LIMIT $2`, to
		if l.desc {
			text, start = `SELECT rid FROM resources WHERE rid <= $1 ORDER BY rid DESC LIMIT $2`, -to
		}
		var rids []int64
		err := l.db.rd.each(ctx, func(rows scanner) error {
			var rid int64
			if err := rows.Scan(&rid); err != nil {
				return fault("read resource", err)
			}
			rids = append(rids, rid)
			return nil
		}, text, start, mostRows)
		if err == nil {
			err = l.purse.spend(len(rids))
		}
		if err != nil {
			return 0, false, err
		}
		l.ended, l.fixed = len(rids) < mostRows, *newFixed(rids, l.desc)
	}
}

func (l *everyRow) size() (int, bool) { return int(l.rows), false }

func (l *everyRow) cost() int { return int(l.rows) }

// bySize sorts lists, the shortest first.
func bySize(lists []list) {
	slices.SortStableFunc(lists, func(a, b list) int {
		n, _ := a.size()
		m, _ := b.size()
		return cmp.Compare(n, m)
	})
}
