package search

import (
	"math"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// date reads dates, periods and schedules (search.html#date). What is no date
// gives no value.
func (r *reader) date(n tree.Node, l *leaf) {
	lo, hi, ok := int64(ever), int64(forever), false
	switch l.form {
	case asDate:
		lo, hi, ok = spanOf(n)
	case asPeriod:
		lo, hi, ok = periodOf(n)
	case asTiming:
		lo, hi, ok = timingOf(n)
	default:
	}
	if ok {
		v := r.add(n, l)
		v.Lo, v.Hi = lo, hi
	}
}

func spanOf(n tree.Node) (lo, hi int64, ok bool) {
	if n.Kind() != tree.String {
		return 0, 0, false
	}
	lo, hi, err := dateSpan(n.Text())
	return lo, hi, err == nil
}

// periodOf: a missing start is before every date, a missing end after.
func periodOf(n tree.Node) (lo, hi int64, ok bool) {
	lo, hi = ever, forever
	if start, _, is := spanOf(n.Get("start")); is {
		lo, ok = start, true
	}
	if _, end, is := spanOf(n.Get("end")); is {
		hi, ok = end, true
	}
	return lo, max(lo, hi), ok
}

// timingOf: of a schedule only the outer limits count.
func timingOf(n tree.Node) (lo, hi int64, ok bool) {
	lo, hi = math.MaxInt64, math.MinInt64
	for e := range n.Get("event").Items() {
		if a, b, is := spanOf(e); is {
			lo, hi, ok = min(lo, a), max(hi, b), true
		}
	}
	if a, b, is := periodOf(n.Get("repeat").Get("boundsPeriod")); is {
		lo, hi, ok = min(lo, a), max(hi, b), true
	}
	return lo, hi, ok
}
