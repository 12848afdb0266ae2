package reading

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/ucum"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// maxVitals bounds how many components of one Observation are looked at.
const maxVitals = 64

// A Posted is what an Observation that a client wrote says, as readings.
type Posted struct {
	Patient  string // id in FHIR
	Device   string // id in FHIR, "" when none is named
	Readings []vigil.Reading
}

// Vitals reads an Observation of the record as readings, so that rules and
// screens see it. They are marked vigil.StoredElsewhere: no series keeps them.
// What has no patient, no exact time, no metric or no unit that fits gives no
// readings; neither does what is not or no longer true.
func Vitals(root tree.Node, metric func(vigil.Code) *vigil.Metric) Posted {
	p := Posted{Patient: localID(root.Get("subject"), "Patient"), Device: localID(root.Get("device"), "Device")}
	switch root.Get("status").Text() {
	case "preliminary", "final", "amended", "corrected":
	default:
		return p
	}
	at, ok := effective(root)
	if p.Patient == "" || !ok {
		return p
	}
	p.add(root, at, metric)
	n := 0
	for c := range root.Get("component").Items() {
		if n++; n > maxVitals {
			break
		}
		p.add(c, at, metric)
	}
	return p
}

// localID returns the id of a reference to a resource of this server.
func localID(n tree.Node, typ string) string {
	id, ok := strings.CutPrefix(n.Get("reference").Text(), typ+"/")
	id, _, _ = strings.Cut(id, "/_history/")
	if !ok || !vigil.ValidID(id) {
		return ""
	}
	return id
}

// effective returns when an Observation was made, when that is said to the
// second.
func effective(root tree.Node) (vigil.Instant, bool) {
	for _, n := range [...]tree.Node{
		root.Get("effectiveDateTime"), root.Get("effectiveInstant"), root.Get("effectivePeriod").Get("start"),
	} {
		if t, err := time.Parse(time.RFC3339Nano, n.Text()); n.Kind() == tree.String && err == nil {
			at := vigil.InstantOf(t)
			return at, at > 0
		}
	}
	return 0, false
}

// add adds the value of an Observation or of a component.
func (p *Posted) add(n tree.Node, at vigil.Instant, metric func(vigil.Code) *vigil.Metric) {
	q := n.Get("valueQuantity")
	text := q.Get("value").Text()
	value, err := strconv.ParseFloat(text, 64)
	if q.Get("value").Kind() != tree.Number || err != nil || math.IsInf(value, 0) {
		return
	}
	m := metricOf(n.Get("code"), metric)
	if m == nil || m.IsWave() || q.Get("system").Text() != vigil.UCUM {
		return
	}
	unit := q.Get("code").Text()
	r := vigil.Reading{
		Metric: m, Taken: at, Stated: at, Value: value, Decimals: decimals(text), KeyKind: vigil.KeyTime, Key: uint64(at), // #nosec G115 -- after 1970
		Quality: vigil.StoredElsewhere,
	}
	if unit != m.Unit {
		c, err := ucum.NewConverter(unit, m.Unit)
		if err != nil {
			return
		}
		r.Value, r.Decimals = c.Convert(value), m.Decimals
	}
	switch q.Get("comparator").Text() {
	case "":
	case ">", ">=":
		r.Quality |= vigil.Above
	case "<", "<=":
		r.Quality |= vigil.Below
	default:
		return
	}
	p.Readings = append(p.Readings, r)
}

// metricOf finds the metric of a CodeableConcept.
func metricOf(concept tree.Node, metric func(vigil.Code) *vigil.Metric) *vigil.Metric {
	for c := range concept.Get("coding").Items() {
		if m := metric(vigil.Code{System: c.Get("system").Text(), Value: c.Get("code").Text()}); m != nil {
			return m
		}
	}
	return nil
}

// decimals counts the digits behind the point of a number; -1 where they cannot
// be counted.
func decimals(number string) int8 {
	_, fraction, _ := strings.Cut(number, ".")
	if len(fraction) > 15 || strings.ContainsAny(number, "eE") {
		return -1
	}
	return int8(len(fraction)) // #nosec G115 -- at most 15
}
