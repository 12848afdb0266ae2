package search

import (
	"cmp"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A lineRule says which timelines resources of a type are in: those of a
// subject and a code, at the clinical time. It is what a bedside screen asks
// for most: the newest values of a patient.
type lineRule struct {
	subject, code, at *branch
}

// lastMoment is where what has no end is in a timeline.
const lastMoment = math.MaxInt64 - 1

// lineOf returns the rule for a type, nil if it has no timelines.
func (m *model) lineOf() *lineRule {
	if m.name != "Observation" {
		return nil
	}
	r := &lineRule{}
	for code, b := range map[string]**branch{"subject": &r.subject, "code": &r.code, "date": &r.at} {
		p := m.params[code]
		if p == nil || len(p.uses) != 1 {
			return nil
		}
		*b = p.uses[0].branch
	}
	return r
}

// line is the hash of a timeline. The system of the code is not in it: a code
// is rarely that of several systems, and the plan looks at the system again.
func (k *Key) line(r *lineRule, subject, code string) uint64 {
	return k.hash(r.subject.hash^r.code.hash, 'l', subject, foldCode(code))
}

// lines puts the resource into its timelines; where nobody knows the time it
// comes before everything else.
func (w *keyWriter) lines() {
	r := w.v.model.line
	if r == nil {
		return
	}
	at := int64(math.MinInt64)
	for i := range w.v.all {
		if x := &w.v.all[i]; x.branch == r.at {
			at = max(at, x.Hi)
		}
	}
	s := w.v.first(r.subject)
	if s == nil || s.Code == "" {
		return
	}
	at = min(at, lastMoment)
	for i := range w.v.all {
		if c := &w.v.all[i]; c.branch == r.code && c.Code != "" {
			w.keys.Lines = append(w.keys.Lines, vigil.ResourceLine{Line: w.key.line(r, s.Code, c.Code), At: vigil.Instant(at)})
		}
	}
	slices.SortFunc(w.keys.Lines, func(a, b vigil.ResourceLine) int { return cmp.Compare(a.Line, b.Line) })
	w.keys.Lines = slices.Compact(w.keys.Lines)
}

// first returns the first value of a branch, nil if there is none.
func (v *Values) first(b *branch) *Value {
	for i := range v.all {
		if v.all[i].branch == b {
			return &v.all[i]
		}
	}
	return nil
}
