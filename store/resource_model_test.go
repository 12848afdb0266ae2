package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// A modelled resource is what the model knows of one.
type modelled struct {
	vigil.Resource
	row      int // order of creation
	written  int // order of the last change
	versions int
}

// A recordModel is a record without any index.
type recordModel struct {
	all     map[string]*modelled
	written int
}

// passes says whether a resource passes a test, from the words of ResourceTest.
func (m *modelled) passes(t vigil.ResourceTest) bool {
	ok := false
	for _, k := range t.Tokens {
		ok = ok || slices.Contains(m.Keys.Tokens, k)
	}
	for _, id := range t.IDs {
		ok = ok || m.ID == id
	}
	if g := t.Span; g != nil {
		spans := m.Keys.Spans
		if g.Param == vigil.ChangedParam {
			spans = []vigil.ResourceSpan{{Lo: int64(m.Changed), Hi: int64(m.Changed)}}
		}
		for _, s := range spans {
			ok = ok || s.Param == g.Param && s.Lo >= g.LoMin && s.Lo <= g.LoMax && s.Hi >= g.HiMin && s.Hi <= g.HiMax
		}
	}
	if t.Line != nil {
		for _, l := range m.Keys.Lines {
			ok = ok || slices.Contains(t.Line.Lines, l.Line) && l.At >= t.Line.From && (t.Line.To == 0 || l.At < t.Line.To)
		}
	}
	for _, o := range t.Any {
		ok = ok || m.passes(o)
	}
	if t.Every != nil {
		ok = true
		for _, o := range t.Every {
			ok = ok && m.passes(o)
		}
	}
	return ok != t.Not
}

// value is what a resource is sorted by; false when there is none.
func (m *modelled) value(q *vigil.ResourceQuery) (v int64, text string, ok bool) {
	take := func(n int64) {
		if !ok || n < v != q.Order.Desc && n != v {
			v, ok = n, true
		}
	}
	switch q.Order.By {
	case vigil.ByCreation:
		return int64(m.row), "", true
	case vigil.ByID:
		return 0, m.ID, true
	case vigil.ByChange:
		return int64(m.written), "", true
	case vigil.BySpan:
		for _, s := range m.Keys.Spans {
			if s.Param != q.Order.Param {
				continue
			}
			if q.Order.Desc {
				take(s.Hi)
			} else {
				take(s.Lo)
			}
		}
	case vigil.ByLine:
		for _, l := range m.Keys.Lines {
			within := true
			for _, t := range q.All {
				if t.Line != nil && !t.Not && slices.Equal(t.Line.Lines, q.Order.Lines) {
					within = l.At >= t.Line.From && (t.Line.To == 0 || l.At < t.Line.To)
					break
				}
			}
			if within && slices.Contains(q.Order.Lines, l.Line) {
				take(int64(l.At))
			}
		}
	}
	return v, text, ok
}

// find returns the ids that a query selects, without its page.
func (r *recordModel) find(q *vigil.ResourceQuery) []string {
	var found []*modelled
	for _, m := range r.all {
		ok := !m.Deleted && (len(q.Types) == 0 || slices.Contains(q.Types, m.Type))
		for _, t := range q.All {
			ok = ok && m.passes(t)
		}
		if ok {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *modelled) int {
		v, s, ok := a.value(q)
		w, u, also := b.value(q)
		if ok != also {
			if ok {
				return -1
			}
			return 1
		}
		c := cmp.Or(cmp.Compare(v, w), cmp.Compare(s, u), cmp.Compare(a.row, b.row))
		if q.Order.Desc {
			return -c
		}
		return c
	})
	out := []string{}
	for _, m := range found {
		out = append(out, m.Type+"/"+m.ID)
	}
	return out
}

var (
	modelTypes  = rapid.SampledFrom([]string{"Patient", "Observation", "Device"})
	modelIDs    = rapid.SampledFrom([]string{"a", "b", "c", "018f2d3c-5b6a-7c8d-9e0f-a1b2c3d4e5f6", "d0000000-0000-0000-0000-000000000000", "d", "1.5", "Z", "0e000000-0000-0000-0000-000000000000", "018f2d3c-5b6a-7c8d-9e0f-a1b2c3d4e5f6-7"})
	modelTokens = rapid.SliceOfNDistinct(rapid.Uint64Range(1, 8), 0, 4, func(k uint64) uint64 { return k })
	modelAts    = rapid.Custom(func(t *rapid.T) int64 {
		return rapid.OneOf(rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 1_000_000})).Draw(t, "at")
	})
	modelWidths = rapid.SampledFrom([]int64{0, 0, 1, 999, 999_999, 86_399_999_999, 5_000_000, math.MaxInt64})
)

// drawKeys draws what a resource is found by.
func drawKeys(t *rapid.T) vigil.ResourceKeys {
	k := vigil.ResourceKeys{Tokens: modelTokens.Draw(t, "tokens")}
	for range rapid.IntRange(0, 3).Draw(t, "spans") {
		s := vigil.ResourceSpan{Param: 8 * rapid.Uint64Range(1, 2).Draw(t, "param"), Lo: modelAts.Draw(t, "lo")}
		if s.Hi = s.Lo + modelWidths.Draw(t, "width"); s.Hi < s.Lo {
			s.Hi = math.MaxInt64
		}
		k.Spans = append(k.Spans, s)
	}
	for range rapid.IntRange(0, 2).Draw(t, "lines") {
		k.Lines = append(k.Lines, vigil.ResourceLine{Line: rapid.Uint64Range(1, 3).Draw(t, "line"), At: vigil.Instant(rapid.Int64Range(1, 9).Draw(t, "at"))})
	}
	return k
}

// drawTest draws a condition.
func drawTest(t *rapid.T, depth int, newest vigil.Instant) vigil.ResourceTest {
	out := vigil.ResourceTest{Not: rapid.IntRange(0, 4).Draw(t, "not") == 0}
	list := func() []vigil.ResourceTest {
		some := []vigil.ResourceTest{}
		for range rapid.IntRange(1, 3).Draw(t, "tests") {
			some = append(some, drawTest(t, depth-1, newest))
		}
		return some
	}
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	switch {
	case kind == 0 && depth > 0:
		out.Any = list()
	case kind == 1 && depth > 0:
		out.Every = list()
	case kind == 2:
		out.IDs = rapid.SliceOfN(modelIDs, 1, 4).Draw(t, "ids")
	case kind == 3:
		out.Span = &vigil.ResourceRange{
			Param: 8 * rapid.Uint64Range(1, 2).Draw(t, "param"), LoMin: modelAts.Draw(t, "lomin"), LoMax: modelAts.Draw(t, "lomax"),
			HiMin: modelAts.Draw(t, "himin"), HiMax: modelAts.Draw(t, "himax"),
		}
		for _, edge := range []struct {
			v    *int64
			open int64
		}{{&out.Span.LoMin, math.MinInt64}, {&out.Span.LoMax, math.MaxInt64}, {&out.Span.HiMin, math.MinInt64}, {&out.Span.HiMax, math.MaxInt64}} {
			if rapid.Bool().Draw(t, "open") {
				*edge.v = edge.open
			}
		}
	case kind == 4:
		out.Line = &vigil.ResourceSlice{
			Lines: rapid.SliceOfNDistinct(rapid.Uint64Range(1, 3), 1, 2, func(k uint64) uint64 { return k }).Draw(t, "lines"),
			From:  vigil.Instant(rapid.Int64Range(0, 9).Draw(t, "from")), To: vigil.Instant(rapid.Int64Range(0, 9).Draw(t, "to")),
		}
	case kind == 5:
		out.Span = &vigil.ResourceRange{LoMin: math.MinInt64, LoMax: math.MaxInt64, HiMin: math.MinInt64, HiMax: math.MaxInt64}
		*rapid.SampledFrom([]*int64{&out.Span.LoMin, &out.Span.LoMax}).Draw(t, "edge") = int64(newest) - rapid.Int64Range(-1, 20).Draw(t, "before")
	default:
		out.Tokens = modelTokens.Draw(t, "any of")
		if out.Tokens == nil {
			out.Tokens = []uint64{}
		}
	}
	return out
}

// drawQuery draws a query.
func drawQuery(t *rapid.T, newest vigil.Instant) vigil.ResourceQuery {
	q := vigil.ResourceQuery{
		Types: rapid.SliceOfNDistinct(modelTypes, 0, 2, func(s string) string { return s }).Draw(t, "types"),
		Order: vigil.ResourceOrder{
			By:   rapid.SampledFrom([]vigil.ResourceSort{vigil.ByCreation, vigil.ByID, vigil.ByChange, vigil.BySpan, vigil.ByLine}).Draw(t, "by"),
			Desc: rapid.Bool().Draw(t, "desc"),
		},
		Bodies: rapid.Bool().Draw(t, "bodies"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "conditions") {
		q.All = append(q.All, drawTest(t, 2, newest))
	}
	switch q.Order.By {
	case vigil.BySpan:
		q.Order.Param = 8 * rapid.Uint64Range(1, 2).Draw(t, "by param")
	case vigil.ByLine:
		q.Order.Lines = rapid.SliceOfNDistinct(rapid.Uint64Range(1, 3), 1, 2, func(k uint64) uint64 { return k }).Draw(t, "by lines")
	case vigil.ByCreation, vigil.ByID, vigil.ByChange:
	}
	return q
}

// check compares what a query finds, page by page.
func (r *recordModel) check(t *rapid.T, q vigil.ResourceQuery, find func(vigil.ResourceQuery) ([]vigil.ResourceHit, error)) {
	want := r.find(&q)
	q.Limit = rapid.IntRange(1, 12).Draw(t, "limit")
	r.page(t, q, want, find)
}

// page compares what a query finds with what it should.
func (r *recordModel) page(t *rapid.T, q vigil.ResourceQuery, want []string, find func(vigil.ResourceQuery) ([]vigil.ResourceHit, error)) {
	got := []string{}
	for {
		hits, err := find(q)
		if err != nil {
			t.Fatalf("select: %v", err)
		}
		for i, h := range hits {
			got = append(got, h.Type+"/"+h.ID)
			m := r.all[h.Type+"/"+h.ID]
			if m == nil || m.Version != h.Version || q.Bodies && string(m.Body) != string(h.Body) {
				t.Fatalf("hit %d is %+v, want %+v", i, h, m)
			}
		}
		if len(hits) < q.Limit || len(got) > len(want) {
			break
		}
		q.After = &hits[len(hits)-1].Mark
	}
	if !slices.Equal(got, want) {
		t.Fatalf("query %+v finds\n %v, want\n %v", q, got, want)
	}
}

var errDrawn = errors.New("drawn")

// write lets one request write, which may fail, and asks within it.
func (r *recordModel) write(t *rapid.T, db *store.DB) {
	before := map[string]*modelled{}
	for name, m := range r.all {
		before[name] = m
	}
	written, fails := r.written, rapid.IntRange(0, 5).Draw(t, "fails") == 0
	err := db.WriteResources(context.Background(), func(ctx context.Context, tx *store.ResourceTx) error {
		for range rapid.IntRange(1, 6).Draw(t, "puts") {
			res := vigil.Resource{
				Type: modelTypes.Draw(t, "type"), ID: modelIDs.Draw(t, "id"), Method: "PUT", Actor: vigil.LocalAdmin(),
				Deleted: rapid.IntRange(0, 4).Draw(t, "deleted") == 0, Keys: drawKeys(t), Body: []byte(fmt.Sprint("body ", r.written)),
			}
			name := res.Type + "/" + res.ID
			old := r.all[name]
			made, err := tx.Put(ctx, res)
			if err != nil {
				return err
			}
			next := &modelled{Resource: res, row: len(r.all)}
			if old != nil {
				next.row, next.versions = old.row, old.versions
			}
			next.versions++
			next.Version, next.Changed = int64(next.versions), made.Changed
			if made.Version != next.Version {
				t.Fatalf("version %d, want %d", made.Version, next.Version)
			}
			r.written++
			next.written = r.written
			r.all[name] = next
			if rapid.IntRange(0, 3).Draw(t, "asks") == 0 {
				r.check(t, drawQuery(t, made.Changed), func(q vigil.ResourceQuery) ([]vigil.ResourceHit, error) { return tx.Select(ctx, q) })
			}
		}
		if fails {
			return errDrawn
		}
		return nil
	})
	if fails {
		r.all, r.written = before, written
	}
	if fails != errors.Is(err, errDrawn) || !fails && err != nil {
		t.Fatalf("write: %v", err)
	}
}

// forgetResources empties the record of a PostgreSQL database.
func forgetResources(tb testing.TB, dsn string) {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(context.Background(), `DROP TABLE IF EXISTS record_format, resources, resource_versions, postings, spans, timelines, resource_words, resource_clock`)
	if err != nil {
		tb.Fatal(err)
	}
}

// TestResourceModel compares what random queries find among random resources with
// what a model without an index finds.
func TestResourceModel(t *testing.T) {
	stores := map[string]func(testing.TB) store.Config{"SQLite": func(tb testing.TB) store.Config {
		c := storetest.Config()
		c.Path = tb.TempDir()
		return c
	}}
	if dsn := os.Getenv("VIGIL_TEST_POSTGRES"); dsn != "" {
		dsn = freshSchema(t, dsn)
		stores["PostgreSQL"] = func(tb testing.TB) store.Config {
			c := storetest.Config()
			c.DSN = dsn
			forgetResources(tb, dsn)
			return c
		}
	}
	for name, config := range stores {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				c := config(t)
				now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
				c.Now = func() time.Time { return now }
				db, err := store.Open(context.Background(), c)
				if err != nil {
					rt.Fatal(err)
				}
				defer func() {
					if err := db.Close(context.Background()); err != nil {
						rt.Error(err)
					}
				}()
				r := &recordModel{all: map[string]*modelled{}}
				for range rapid.IntRange(1, 12).Draw(rt, "writes") {
					now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(rt, "later")) * time.Microsecond)
					r.write(rt, db)
				}
				for range 12 {
					q := drawQuery(rt, vigil.InstantOf(now))
					r.check(rt, q, func(q vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
						return db.SelectResources(context.Background(), q)
					})
					n, exact, err := db.CountResources(context.Background(), q)
					if want := len(r.find(&q)); n != int64(want) || !exact || err != nil {
						rt.Fatalf("query %+v counts %d, %v, %v, want %d", q, n, exact, err, want)
					}
				}
			})
		})
	}
}

// TestManyResourcesAreFound does the same among so many that lists are read in
// pieces, with writes of all sizes.
func TestManyResourcesAreFound(t *testing.T) {
	stores := map[string]func(testing.TB) store.Config{"SQLite": func(tb testing.TB) store.Config {
		c := storetest.Config()
		c.Path = tb.TempDir()
		return c
	}}
	if dsn := os.Getenv("VIGIL_TEST_POSTGRES"); dsn != "" {
		stores["PostgreSQL"] = func(tb testing.TB) store.Config {
			c := storetest.Config()
			c.DSN = freshSchema(tb, dsn)
			return c
		}
	}
	for name, config := range stores {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			db, err := store.Open(ctx, config(t))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := db.Close(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
				}
			}()
			r := fillMany(t, db)
			rapid.Check(t, func(rt *rapid.T) {
				q := drawQuery(rt, 0)
				for i := range q.All { // those of few ids find nothing here
					q.All[i].Not = q.All[i].Not || q.All[i].IDs != nil
				}
				want := r.find(&q)
				q.Limit = rapid.SampledFrom([]int{1000, 2500}).Draw(rt, "many")
				r.page(rt, q, want, func(q vigil.ResourceQuery) ([]vigil.ResourceHit, error) { return db.SelectResources(ctx, q) })
				n, exact, err := db.CountResources(ctx, q)
				if n != int64(len(want)) || !exact || err != nil {
					rt.Fatalf("query %+v counts %d, %v, %v, want %d", q, n, exact, err, len(want))
				}
			})
		})
	}
}

// fillMany writes some thousand resources, some of them more than once.
func fillMany(t *testing.T, db *store.DB) *recordModel {
	r, rng := &recordModel{all: map[string]*modelled{}}, rand.New(rand.NewPCG(3, 4)) // #nosec G404 -- a test
	const all = 6000
	for n := 0; n < all; {
		err := db.WriteResources(t.Context(), func(ctx context.Context, tx *store.ResourceTx) error {
			for range []int{1, 3, 700}[rng.IntN(3)] {
				res := vigil.Resource{Type: []string{"Patient", "Observation", "Device"}[rng.IntN(3)], Method: "PUT", Actor: vigil.LocalAdmin()}
				res.ID = fmt.Sprint(n)
				if rng.IntN(8) == 0 {
					res.ID = fmt.Sprint(rng.IntN(n + 1))
				}
				res.Deleted = rng.IntN(20) == 0
				for k := range uint64(8) {
					if rng.IntN(1<<k) == 0 {
						res.Keys.Tokens = append(res.Keys.Tokens, k+1)
					}
				}
				for range rng.IntN(3) {
					lo := rng.Int64N(7) - 3
					res.Keys.Spans = append(res.Keys.Spans, vigil.ResourceSpan{Param: 8 * (1 + rng.Uint64N(2)), Lo: lo, Hi: lo + []int64{0, 1, 999, 999_999}[rng.IntN(4)]})
					res.Keys.Lines = append(res.Keys.Lines, vigil.ResourceLine{Line: 1 + rng.Uint64N(3), At: vigil.Instant(1 + rng.Int64N(9))})
				}
				made, err := tx.Put(ctx, res)
				if err != nil {
					return err
				}
				n++
				name := res.Type + "/" + res.ID
				next := &modelled{Resource: made, row: len(r.all), written: n}
				if old := r.all[name]; old != nil {
					next.row = old.row
				}
				r.all[name] = next
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}
