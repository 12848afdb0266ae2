package search

import (
	"encoding/binary"
	"math/big"
)

// Rank returns a text such that resources sorted by it are in the order that
// the query asks for (search.html#_sort): upwards by the least value, downwards
// by the greatest; resources without a value come last. It ends with type and
// id, so that it is never the same for two resources.
func (q *Query) Rank(v *Values) string {
	var b []byte
	for _, k := range q.Sort {
		b = q.rankKey(b, k, v)
	}
	if v.model != nil {
		b = append(append(append(b, v.model.name...), '/'), v.ID()...)
	}
	return string(b)
}

func (q *Query) rankKey(b []byte, k SortKey, v *Values) []byte {
	var best []byte
	take := func(x []byte) {
		if best == nil || string(x) < string(best) != k.Desc && string(x) != string(best) {
			best = x
		}
	}
	switch {
	case k.Param == "_id":
		take(textRank(v.ID()))
	case k.Param == "_lastUpdated":
		if lo, _, ok := spanOf(v.root.Get("meta").Get("lastUpdated")); ok {
			take(intRank(lo))
		}
	case v.model != nil && v.model.params[k.Param] != nil:
		v.of(v.model.params[k.Param], func(x *Value) bool {
			if r := v.rank(x, k.Desc); r != nil {
				take(r)
			}
			return true
		})
	}
	if best == nil {
		return append(b, 1)
	}
	b = append(b, 0)
	if k.Desc {
		for i := range best {
			best[i] = ^best[i]
		}
	}
	return append(b, best...)
}

// rank makes bytes that are in order of the values.
func (v *Values) rank(x *Value, desc bool) []byte {
	switch x.branch.kind {
	case Date:
		if desc {
			return intRank(x.Hi)
		}
		return intRank(x.Lo)
	case Number, Quantity:
		least, most, ok := x.bounds()
		if !ok {
			return nil
		}
		if desc {
			return ratRank(ratOf(most), highest)
		}
		return ratRank(ratOf(least), lowest)
	case String:
		return textRank(v.fold(x.Code))
	case Token:
		if x.Code == "" {
			return nil
		}
		return textRank(foldCode(x.Code))
	case Reference, URI, Composite, Special:
	}
	if x.Code == "" {
		return nil
	}
	return textRank(x.Code)
}

func ratRank(r *big.Rat, none int64) []byte {
	if r == nil {
		return intRank(none)
	}
	return intRank(orderedRat(r))
}

func intRank(v int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(v)^1<<63)
}

// maxRank bounds how much of a text counts for the order.
const maxRank = 256

// textRank ends a text so that a shorter one comes before a longer one with the
// same start.
func textRank(s string) []byte {
	b := make([]byte, 0, min(len(s), maxRank)+1)
	for i := 0; i < len(s) && i < maxRank; i++ {
		b = append(b, max(s[i], 1))
	}
	return append(b, 0)
}
