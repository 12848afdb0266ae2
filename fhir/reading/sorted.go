package reading

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strconv"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// maxSorted bounds how many resources are put into an order that is not that of
// time.
const maxSorted = 50_000

// A keyed is a match with what it is sorted by.
type keyed struct {
	hit  vigil.ResourceHit
	keys []sortKey
}

// A sortKey is one value to sort by; absent ones come last.
type sortKey struct {
	there  bool
	number float64
	text   string
}

func (a sortKey) compare(b sortKey, desc bool) int {
	switch {
	case a.there != b.there && a.there:
		return -1
	case a.there != b.there:
		return 1
	}
	c := cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.text, b.text))
	if desc {
		return -c
	}
	return c
}

// sorted gathers everything that a query asks for and sorts it.
func (s *Source) sorted(ctx context.Context, typ string, q *search.Query, after *vigil.ResourceMark) iter.Seq2[vigil.ResourceHit, error] {
	return func(yield func(vigil.ResourceHit, error) bool) {
		var all []keyed
		var doc tree.Doc
		for hit, err := range s.stream(ctx, typ, q, true, nil) {
			if err == nil && len(all) == maxSorted {
				err = vigil.Errorf(vigil.TooLarge, "more than %d readings cannot be sorted like this; sort by date, or name a patient, a code or dates", maxSorted)
			}
			if err == nil {
				err = doc.Read(hit.Body)
			}
			if err != nil {
				yield(vigil.ResourceHit{}, err)
				return
			}
			x := keyed{hit: hit}
			x.hit.Body = slices.Clone(hit.Body)
			values := q.Engine().Extract(doc.Root())
			for _, k := range q.Sort {
				x.keys = append(x.keys, keyOf(hit, values, k))
			}
			all = append(all, x)
		}
		slices.SortFunc(all, func(a, b keyed) int {
			for i, k := range q.Sort {
				if c := a.keys[i].compare(b.keys[i], k.Desc); c != 0 {
					return c
				}
			}
			return cmp.Compare(a.hit.ID, b.hit.ID)
		})
		if after != nil {
			i := slices.IndexFunc(all, func(x keyed) bool { return x.hit.ID == after.Text })
			all = all[i+1:]
		}
		for _, x := range all {
			x.hit.Mark = vigil.ResourceMark{Value: int64(x.keys[0].number), Text: x.hit.ID, Last: !x.keys[0].there}
			if !yield(x.hit, nil) {
				return
			}
		}
	}
}

// keyOf finds what a match is sorted by: the least of its values upwards, the
// greatest downwards.
func keyOf(hit vigil.ResourceHit, values *search.Values, by search.SortKey) sortKey {
	switch by.Param {
	case "_id":
		return sortKey{there: true, text: hit.ID}
	case "_lastUpdated":
		return sortKey{there: true, number: float64(hit.Changed)}
	}
	var best sortKey
	values.Of(by.Param, func(v *search.Value) bool {
		k := sortKey{there: true, text: v.Code}
		if v.Least != "" || v.Most != "" {
			k.text = ""
			k.number, _ = strconv.ParseFloat(cmp.Or(v.Least, v.Most), 64)
		} else if v.Lo != 0 || v.Hi != 0 {
			k.text, k.number = "", float64(v.Lo)
		}
		if !best.there || k.compare(best, by.Desc) < 0 {
			best = k
		}
		return true
	})
	return best
}
