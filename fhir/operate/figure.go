package operate

import (
	"errors"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil/fhir/reading"
)

// errEnough ends a search that has found enough.
var errEnough = errors.New("enough")

// A result is one number of a statistic; regression has two.
type result struct {
	name, unit string
	value      float64
	absent     bool // too few values
}

// title is the display of a statistic, "" when there is no such one
// (codesystem-observation-statistics.html).
func title(code string) string {
	switch code {
	case "average":
		return "Average"
	case "maximum":
		return "Maximum"
	case "minimum":
		return "Minimum"
	case "count":
		return "Count"
	case "total-count":
		return "Total Count"
	case "median":
		return "Median"
	case "std-dev":
		return "Standard Deviation"
	case "sum":
		return "Sum"
	case "variance":
		return "Variance"
	case "20-percent":
		return "20th Percentile"
	case "80-percent":
		return "80th Percentile"
	case "4-lower":
		return "Lower Quartile"
	case "4-upper":
		return "Upper Quartile"
	case "4-dev":
		return "Quartile Deviation"
	case "5-1":
		return "1st Quintile"
	case "5-2":
		return "2nd Quintile"
	case "5-3":
		return "3rd Quintile"
	case "5-4":
		return "4th Quintile"
	case "skew":
		return "Skew"
	case "kurtosis":
		return "Kurtosis"
	case "regression":
		return "Regression"
	}
	return ""
}

// A sample is figures whose values are sorted once, when that is needed.
type sample struct {
	*reading.Figures
	sorted []float64
}

// figure works out a statistic. Variance and deviation are those of a sample;
// percentiles lie on the line between the values around them; skew and kurtosis
// are the moments g1 and g2, which are 0 for a normal distribution; a regression
// is over hours since the first value.
func (f *sample) figure(code string) []result {
	one := func(unit string, v float64, least int) []result {
		if f.Count < least || math.IsNaN(v) || math.IsInf(v, 0) {
			return []result{{absent: true}}
		}
		return []result{{unit: unit, value: v}}
	}
	switch code {
	case "count":
		return one("1", float64(f.Count), 0)
	case "total-count":
		return one("1", float64(f.Total), 0)
	case "average":
		return one(f.Unit, f.Sum/float64(max(f.Count, 1)), 1)
	case "maximum":
		return one(f.Unit, f.Max, 1)
	case "minimum":
		return one(f.Unit, f.Min, 1)
	case "sum":
		return one(f.Unit, f.Sum, 1)
	case "variance":
		return one(squared(f.Unit), f.moment(2)*float64(f.Count)/float64(f.Count-1), 2)
	case "std-dev":
		return one(f.Unit, math.Sqrt(f.moment(2)*float64(f.Count)/float64(f.Count-1)), 2)
	case "skew":
		return one("1", f.moment(3)/math.Pow(f.moment(2), 1.5), 2)
	case "kurtosis":
		return one("1", f.moment(4)/math.Pow(f.moment(2), 2)-3, 2)
	case "regression":
		return f.regression()
	case "4-dev":
		return one(f.Unit, (f.percentile(0.75)-f.percentile(0.25))/2, 1)
	}
	share := map[string]float64{
		"median": 0.5, "20-percent": 0.2, "80-percent": 0.8, "4-lower": 0.25, "4-upper": 0.75, "5-1": 0.2, "5-2": 0.4, "5-3": 0.6, "5-4": 0.8,
	}[code]
	return one(f.Unit, f.percentile(share), 1)
}

// squared is a unit times itself.
func squared(unit string) string {
	if unit == "1" || unit == "" {
		return unit
	}
	return "(" + unit + ")2"
}

// moment is a central moment of the values.
func (f *sample) moment(power int) float64 {
	sum, mean := 0.0, f.Sum/float64(f.Count)
	for _, v := range f.Values {
		p := 1.0
		for range power {
			p *= v - mean
		}
		sum += p
	}
	return sum / float64(f.Count)
}

// percentile is the value below which a share of the values lies.
func (f *sample) percentile(share float64) float64 {
	if len(f.Values) == 0 {
		return math.NaN()
	}
	if f.sorted == nil {
		f.sorted = slices.Sorted(slices.Values(f.Values))
	}
	sorted := f.sorted
	at := share * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// regression is the line through the values by least squares.
func (f *sample) regression() []result {
	none := []result{{name: "gradient", absent: true}, {name: "intercept", absent: true}}
	if f.Count < 2 {
		return none
	}
	first := slices.Min(f.Times)
	var sx, sy, sxx, sxy float64
	n := float64(f.Count)
	for i, y := range f.Values {
		x := float64(f.Times[i]-first) / 3.6e9
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	width := n*sxx - sx*sx
	if width <= 0 {
		return none
	}
	gradient := (n*sxy - sx*sy) / width
	return []result{{name: "gradient", unit: f.Unit + "/h", value: gradient}, {name: "intercept", unit: f.Unit, value: (sy - gradient*sx) / n}}
}
