package tree

import (
	"math/big"
	"strings"
)

// Equal reports whether two values mean the same as RFC 6902 §4.6 has it: the
// order of members does not matter, numbers are equal when their values are,
// strings when their characters are.
func Equal(a, b Node) bool {
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case None, Null:
		return true
	case Bool:
		return a.Bool() == b.Bool()
	case Number:
		return SameNumber(a.Text(), b.Text())
	case String:
		return a.Text() == b.Text()
	case Array:
		return sameItems(a, b)
	default:
		return sameMembers(a, b)
	}
}

func sameItems(a, b Node) bool {
	i, j := a.at+1, b.at+1
	for i < a.entry().next {
		if !Equal(Node{a.doc, i}, Node{b.doc, j}) {
			return false
		}
		i, j = a.doc.tape[i].next, b.doc.tape[j].next
	}
	return true
}

func sameMembers(a, b Node) bool {
	get := b.Get
	if b.Len() > few {
		all := make(map[string]Node, b.Len())
		for name, v := range b.Members() {
			all[name] = v
		}
		get = func(name string) Node { return all[name] }
	}
	for name, v := range a.Members() {
		if other := get(name); !other.Ok() || !Equal(v, other) {
			return false
		}
	}
	return true
}

// SameNumber reports whether two JSON numbers have the same value, exactly,
// however they are written.
func SameNumber(a, b string) bool {
	if a == b {
		return true
	}
	aNeg, aDigits, aExp := decimal(a)
	bNeg, bDigits, bExp := decimal(b)
	if aDigits == "" || bDigits == "" {
		return aDigits == bDigits
	}
	return aNeg == bNeg && aDigits == bDigits && aExp.Cmp(bExp) == 0
}

// decimal takes a number apart: ± 0.digits × 10^exp, digits without zeros
// around them, "" for 0.
func decimal(s string) (negative bool, digits string, exp *big.Int) {
	s, negative = strings.CutPrefix(s, "-")
	exp = new(big.Int)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e := strings.TrimPrefix(s[i+1:], "+")
		if len(e) > 1000 { // costly, and no number of this world: equal to itself only
			return negative, s, exp
		}
		exp.SetString(e, 10)
		s = s[:i]
	}
	whole, part, _ := strings.Cut(s, ".")
	digits = whole + part
	point := len(whole)
	trimmed := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(trimmed)
	exp.Add(exp, big.NewInt(int64(point)))
	return negative, strings.TrimRight(trimmed, "0"), exp
}
