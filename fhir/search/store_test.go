package search_test

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// library is the examples of the specification in a store.
type library struct {
	db   *store.DB
	docs map[string]tree.Node // Type/ID
	of   map[string][]string  // type → Type/ID
}

func shelve(t *testing.T) *library {
	t.Helper()
	all := search.ReadExamples(t)
	db, err := store.Open(t.Context(), store.Config{
		Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Checkpoint: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	l := &library{db, map[string]tree.Node{}, map[string][]string{}}
	err = db.WriteResources(t.Context(), func(ctx context.Context, tx *store.ResourceTx) error {
		for _, file := range slices.Sorted(maps.Keys(all)) {
			root := all[file]
			v := search.EngineForTests().Extract(root)
			ref := v.Type() + "/" + v.ID()
			if v.ID() == "" || l.docs[ref].Ok() {
				continue
			}
			l.docs[ref] = root
			l.of[v.Type()] = append(l.of[v.Type()], ref)
			_, err := tx.Put(ctx, vigil.Resource{
				Type: v.Type(), ID: v.ID(), Method: "PUT", Actor: vigil.Actor{Kind: "user", ID: "test"}, Body: root.Raw(), Keys: v.Keys(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// find does what a server does with a plan.
func (l *library) find(t *testing.T, q *search.Query) []string {
	t.Helper()
	p := q.Plan()
	if p.Nothing {
		return nil
	}
	hits, err := l.db.SelectResources(t.Context(), p.Query)
	if err != nil {
		t.Fatalf("%s: %v", q.Self(), err)
	}
	var out []string
	for _, h := range hits {
		ref := h.Type + "/" + h.ID
		if !p.Check || q.Match(l.docs[ref]) {
			out = append(out, ref)
		}
	}
	return out
}

// Asked for the values of the examples, and for what they are not, a store finds
// just what a look at every example finds.
func TestAStoreFindsWhatMatches(t *testing.T) {
	l := shelve(t)
	e := search.EngineForTests()
	asked, n := 0, 0
	for _, typ := range slices.Sorted(maps.Keys(l.of)) {
		queries := map[string]bool{}
		for _, ref := range l.of[typ] {
			for _, raw := range search.QueriesFor(e.Extract(l.docs[ref])) {
				queries[raw] = true
			}
		}
		for _, raw := range slices.Sorted(maps.Keys(queries)) {
			if n++; n%11 != 0 {
				continue
			}
			name, value, _ := strings.Cut(raw, "=")
			l.compare(t, typ, raw)
			asked++
			if n%3 == 0 && !strings.Contains(name, ":") {
				// turned around, where that means something
				for _, other := range []string{name + ":not=" + value, name + "=ne" + value, raw + "&" + name + ":missing=true", "_id:not=x&" + raw} {
					if _, issues := e.Parse(search.Request{Types: []string{typ}, Raw: other}); len(issues) == 0 {
						l.compare(t, typ, other)
						asked++
					}
				}
			}
		}
	}
	t.Logf("%d resources, %d queries", len(l.docs), asked)
}

func (l *library) compare(t *testing.T, typ, raw string) {
	t.Helper()
	q, issues := search.EngineForTests().Parse(search.Request{Types: []string{typ}, Raw: raw})
	if len(issues) > 0 {
		t.Fatalf("%s?%s: %v", typ, raw, issues)
	}
	var want []string
	for _, ref := range l.of[typ] {
		if q.Match(l.docs[ref]) {
			want = append(want, ref)
		}
	}
	got := l.find(t, q)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s?%s: the store finds %v, a look at all %v", typ, raw, got, want)
	}
}

// What a store sorts comes in the order of the ranks.
func TestAStoreSortsByRank(t *testing.T) {
	l := shelve(t)
	for _, c := range [][2]string{
		{"Observation", "_sort=date"}, {"Observation", "_sort=-date"}, {"Observation", "_sort=_id"}, {"Observation", "_sort=-_id"},
		{"Patient", "_sort=birthdate"}, {"Patient", "_sort=-birthdate"}, {"Observation", "_sort=value-quantity"}, {"Observation", "_sort=-value-quantity"},
		{"Observation", "patient=Patient/example&code=3141-9,29463-7,8867-4,85354-9,8302-2&_sort=-date"}, {"Encounter", "_sort=-date"}, {"RiskAssessment", "_sort=probability"},
		{"Observation", "patient=example&code=29463-7&date=ge2000&_sort=-date"},
	} {
		q, issues := search.EngineForTests().Parse(search.Request{Types: []string{c[0]}, Raw: c[1]})
		if len(issues) > 0 {
			t.Fatal(issues)
		}
		if !q.Plan().Sorted {
			t.Logf("%s?%s is not sorted by the store", c[0], c[1])
			continue
		}
		found := l.find(t, q)
		rank := func(ref string) string {
			r := q.Rank(q.Extract(l.docs[ref]))
			return r[:len(r)-len(ref)] // those of the same value come in any order
		}
		if !slices.IsSortedFunc(found, func(a, b string) int { return strings.Compare(rank(a), rank(b)) }) {
			t.Errorf("%s?%s: %v", c[0], c[1], found)
		}
		q.Sort = nil
		if n := len(l.find(t, q)); n != len(found) || n == 0 && !testing.Short() {
			t.Errorf("%s?%s: %d of %d", c[0], c[1], len(found), n)
		}
	}
}
