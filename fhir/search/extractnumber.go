package search

import (
	"math"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// maxSamples bounds how many samples of a SampledData are looked at.
const maxSamples = 1_000_000

// number reads numbers and quantities (search.html#number, #quantity).
func (r *reader) number(n tree.Node, l *leaf) {
	switch l.form {
	case asNumber:
		v := r.add(n, l)
		v.Least = n.Text()
		v.Most = v.Least
	case asQuantity:
		v := r.add(n, l)
		v.unit(n)
		v.Least = n.Get("value").Text()
		v.Most = v.Least
		switch n.Get("comparator").Text() {
		case "<", "<=":
			v.Least = ""
		case ">", ">=":
			v.Most = ""
		}
	case asRange:
		v := r.add(n, l)
		low, high := n.Get("low"), n.Get("high")
		v.Least, v.Most = low.Get("value").Text(), high.Get("value").Text()
		if v.unit(low); v.Code == "" && v.Text == "" {
			v.unit(high)
		}
	case asSampled:
		r.sampled(n, l)
	default:
	}
}

// unit reads the unit of a quantity.
func (v *Value) unit(n tree.Node) {
	for name, m := range n.Members() {
		switch name {
		case "system":
			v.System = m.Text()
		case "code":
			v.Code = m.Text()
		case "unit":
			v.Text = m.Text()
		}
	}
}

// sampled reads the least and the greatest sample: value = origin + sample ×
// factor (datatypes.html#SampledData).
func (r *reader) sampled(n tree.Node, l *leaf) {
	origin := n.Get("origin")
	base, err := strconv.ParseFloat(origin.Get("value").Text(), 64)
	if err != nil {
		return
	}
	factor := 1.0
	if f := n.Get("factor"); f.Ok() {
		factor, _ = strconv.ParseFloat(f.Text(), 64)
	}
	least, most := math.Inf(1), math.Inf(-1)
	data, count := n.Get("data").Text(), 0
	for s := range strings.FieldsSeq(data) {
		if count++; count > maxSamples {
			break
		}
		if x, err := strconv.ParseFloat(s, 64); err == nil {
			x = base + x*factor
			least, most = min(least, x), max(most, x)
		}
	}
	v := r.add(n, l)
	v.unit(origin)
	if least <= most && !math.IsInf(least, 0) && !math.IsInf(most, 0) {
		v.Least = strconv.FormatFloat(least, 'g', -1, 64)
		v.Most = strconv.FormatFloat(most, 'g', -1, 64)
	}
}
