package path

import (
	"math/big"
	"strings"

	"github.com/vigil-iomt/vigil/codec/ucum"
)

// A Quantity is a number with a unit (FHIRPath N1 §2.1.8): one of UCUM, or a
// duration of the calendar such as "month", which is not UCUM's mo.
type Quantity struct {
	Value    Decimal
	Unit     string // "1" for none; a calendar duration is singular
	Calendar bool
	// System is where the unit comes from when that is not UCUM: such
	// quantities are comparable only within the same system and code.
	System string
}

// calendarUnit returns the calendar duration that a word means, "" for none.
func calendarUnit(s string) string {
	w := strings.TrimSuffix(s, "s")
	switch w {
	case "year", "month", "week", "day", "hour", "minute", "second", "millisecond":
		return w
	}
	return ""
}

// definite returns the UCUM unit that is the same as a calendar duration; years
// and months have none.
func definite(unit string) string {
	switch unit {
	case "week":
		return "wk"
	case "day":
		return "d"
	case "hour":
		return "h"
	case "minute":
		return "min"
	case "second":
		return "s"
	case "millisecond":
		return "ms"
	}
	return ""
}

// calendarOf returns the calendar duration to add to dates for a UCUM unit.
func calendarOf(unit string) string {
	for _, c := range [...]string{"week", "day", "hour", "minute", "second", "millisecond"} {
		if definite(c) == unit {
			return c
		}
	}
	return ""
}

// String writes the quantity as a literal.
func (q Quantity) String() string {
	if q.Calendar {
		if q.Value.Cmp(DecimalOf(1)) == 0 {
			return q.Value.String() + " " + q.Unit
		}
		return q.Value.String() + " " + q.Unit + "s"
	}
	return q.Value.String() + " '" + q.Unit + "'"
}

// parseQuantity reads "1", "1 day" or "1 'wk'" (FHIRPath N1 §5.5.7).
func parseQuantity(s string) (Quantity, bool) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.' || i == 0 && (s[i] == '-' || s[i] == '+')) {
		i++
	}
	v, ok := ParseDecimal(strings.TrimPrefix(s[:i], "+"))
	if !ok {
		return Quantity{}, false
	}
	rest := strings.TrimLeft(s[i:], " \t\r\n")
	switch {
	case s[i:] == "":
		return Quantity{Value: v, Unit: "1"}, true
	case len(rest) > 2 && rest[0] == '\'' && strings.IndexByte(rest[1:], '\'') == len(rest)-2:
		return Quantity{Value: v, Unit: rest[1 : len(rest)-1]}, true
	case calendarUnit(rest) != "" && len(rest) < len(s[i:]):
		return Quantity{Value: v, Unit: calendarUnit(rest), Calendar: true}, true
	}
	return Quantity{}, false
}

// measure returns the unit's measure; an error means that it can be compared
// only with itself.
func (q Quantity) measure() (ucum.Measure, bool) {
	unit := q.Unit
	if q.System != "" {
		return ucum.Measure{}, false
	}
	if q.Calendar {
		if unit == "year" || unit == "month" { // these measure months, not seconds
			n := int64(1)
			if unit == "year" {
				n = 12
			}
			return ucum.Measure{Unit: "month", Factor: big.NewRat(n, 1)}, true
		}
		unit = definite(unit)
	}
	m, err := ucum.MeasureOf(unit)
	return m, err == nil
}

func (q Quantity) sameUnit(o Quantity) bool {
	return q.Unit == o.Unit && q.Calendar == o.Calendar && q.System == o.System
}

// comparable tells whether both measure the same thing.
func (q Quantity) comparable(o Quantity) bool {
	if q.sameUnit(o) {
		return true
	}
	a, okA := q.measure()
	b, okB := o.measure()
	return okA && okB && a.Unit == b.Unit
}

// compare returns the order of two quantities; not ok when they are not
// comparable, as years of the calendar with UCUM's.
func (q Quantity) compare(o Quantity) (order int, ok bool) {
	if q.sameUnit(o) {
		return q.Value.Cmp(o.Value), true
	}
	a, okA := q.measure()
	b, okB := o.measure()
	if !okA || !okB || a.Unit != b.Unit {
		return 0, false
	}
	if a.Exact() && b.Exact() {
		return a.Ratio(q.Value.Rat()).Cmp(b.Ratio(o.Value.Rat())), true
	}
	x, y := a.Value(q.Value.Float()), b.Value(o.Value.Float())
	switch {
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

// calendarVague tells whether one is a year or month of the calendar and the
// other a definite time, so that nobody can say which is longer.
func (q Quantity) calendarVague(o Quantity) bool {
	vague := func(a, b Quantity) bool {
		if !a.Calendar || a.Unit != "year" && a.Unit != "month" {
			return false
		}
		m, ok := b.measure()
		return ok && m.Unit == "s"
	}
	return vague(q, o) || vague(o, q)
}

// equivalent compares to the precision of the less precise one (FHIRPath N1
// §6.1.2). Years and months of the calendar count as UCUM's.
func (q Quantity) equivalent(o Quantity) bool {
	if q.sameUnit(o) {
		return equivalentDecimals(q.Value, o.Value)
	}
	if q.calendarVague(o) {
		q, o = q.asDefinite(), o.asDefinite()
	}
	a, okA := q.measure()
	b, okB := o.measure()
	if !okA || !okB || a.Unit != b.Unit || !a.Exact() || !b.Exact() {
		order, ok := q.compare(o)
		return ok && order == 0
	}
	// The one whose last place is worth more says how many places count.
	stepA := new(big.Rat).Mul(a.Factor, new(big.Rat).SetFrac(big.NewInt(1), pow10(q.Value.Scale())))
	stepB := new(big.Rat).Mul(b.Factor, new(big.Rat).SetFrac(big.NewInt(1), pow10(o.Value.Scale())))
	if stepA.Cmp(stepB) < 0 {
		q, o, a, b = o, q, b, a
	}
	v := b.Ratio(o.Value.Rat())
	v.Quo(v, a.Factor)
	if a.Shift != nil {
		v.Sub(v, a.Shift)
	}
	return decimalOfRat(v).Round(q.Value.Scale()).Cmp(q.Value) == 0
}

func (q Quantity) asDefinite() Quantity {
	switch {
	case !q.Calendar:
	case q.Unit == "year":
		q.Unit, q.Calendar = "a", false
	case q.Unit == "month":
		q.Unit, q.Calendar = "mo", false
	}
	return q
}

// equivalentDecimals compares to the places of the one that has fewer; zeros at
// the end do not count as places.
func equivalentDecimals(a, b Decimal) bool {
	a, b = a.trimmed(0), b.trimmed(0)
	n := min(a.Scale(), b.Scale())
	return a.Round(n).Cmp(b.Round(n)) == 0
}

// add adds in the unit of the finer one, as FHIRPath N1 §6.6.1 says.
func (q Quantity) add(o Quantity) (Quantity, bool) {
	if q.sameUnit(o) {
		q.Value = q.Value.Add(o.Value)
		return q, true
	}
	a, okA := q.measure()
	b, okB := o.measure()
	if !okA || !okB || a.Unit != b.Unit || !a.Plain() || !b.Plain() {
		return Quantity{}, false
	}
	if a.Factor.Cmp(b.Factor) > 0 {
		q, o, a, b = o, q, b, a
	}
	v := b.Ratio(o.Value.Rat())
	q.Value = q.Value.Add(decimalOfRat(v.Quo(v, a.Factor)))
	return q, true
}

// times multiplies or divides.
func (q Quantity) times(o Quantity, divide bool) (Quantity, bool) {
	if q.Calendar {
		q.Unit, q.Calendar = definite(q.Unit), false
	}
	if o.Calendar {
		o.Unit, o.Calendar = definite(o.Unit), false
	}
	a, okA := q.measure()
	b, okB := o.measure()
	if !okA || !okB || !a.Plain() || !b.Plain() || divide && o.Value.Sign() == 0 {
		return Quantity{}, false
	}
	v, w := q.Value.Rat(), o.Value.Rat()
	switch {
	case !divide:
		return Quantity{Value: decimalOfRat(v.Mul(v, w)), Unit: joinUnits(q.Unit, o.Unit, ".")}, true
	case a.Unit == b.Unit:
		v.Quo(v, w)
		v.Mul(v, new(big.Rat).Quo(a.Factor, b.Factor))
		return Quantity{Value: decimalOfRat(v), Unit: "1"}, true
	}
	return Quantity{Value: decimalOfRat(v.Quo(v, w)), Unit: joinUnits(q.Unit, o.Unit, "/")}, true
}

// joinUnits writes a product or quotient of units.
func joinUnits(a, b, by string) string {
	switch {
	case b == "1":
		return a
	case a == "1" && by == ".":
		return b
	}
	if by == "/" && strings.ContainsAny(b, "./") {
		b = "(" + b + ")"
	}
	return a + by + b
}
