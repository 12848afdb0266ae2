package operate

import (
	"context"
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// statistics are the codes that there are, with their names.
const statistics = "http://terminology.hl7.org/CodeSystem/observation-statistics"

// maxSources bounds how many Observations come along.
const maxSources = 1000

// A census is what $stats is asked (observation-operation-stats.html).
type census struct {
	in      *rest.Invocation
	from    Figures
	subject string // Patient/1
	codes   []reading.Token
	during  vigil.Interval
	wanted  []string
	include bool
	limit   int

	results []*reading.Figures
	amended []string // ids of readings that somebody has written on
	members int      // that panels refer to
}

// stats is $stats. Sums come from what series keep summarised, where that is
// enough; what clients wrote is looked at one by one.
func (c Config) stats(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	k := &census{in: in, from: c.Readings}
	if err := k.read(); err != nil {
		return nil, err
	}
	find := k.address()
	var stored []vigil.Resource
	err := in.FindStored(ctx, find, func(r vigil.Resource) error {
		stored = append(stored, vigil.Resource{ID: r.ID, Body: slices.Clone(r.Body)})
		if k.from != nil && k.from.Named(r.ID) {
			k.amended = append(k.amended, r.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := k.readings(ctx); err != nil {
		return nil, err
	}
	for i := range stored {
		if err := k.document(ctx, stored[i].Body, true); err != nil {
			return nil, err
		}
	}
	return k.answer(ctx, find)
}

// read reads the parameters.
func (k *census) read() error {
	args := k.in.Args()
	for name := range args {
		if !slices.Contains([]string{"subject", "patient", "code", "system", "coding", "duration", "period", "statistic", "include", "limit", "_format", "_pretty", "_summary"}, name) {
			return bad(name, "$stats has no parameter %s", clip(name))
		}
	}
	k.subject = args.Get("subject")
	if p := args.Get("patient"); k.subject == "" && p != "" {
		k.subject = "Patient/" + strings.TrimPrefix(p, "Patient/")
	}
	k.subject = strings.TrimPrefix(k.subject, k.in.Base+"/")
	if r := k.in.Engine().ParseRef(k.subject); r.Type == "" || r.ID == "" || r.URL != "" {
		return bad("subject", "whose Observations? subject is such as Patient/1")
	}
	for _, code := range slices.Concat(split(args["code"]), split(args["coding"])) {
		system, value, both := strings.Cut(code, "|")
		if !both {
			system, value = args.Get("system"), code
		}
		if value == "" {
			return bad("code", "a code is system|code, or a code with the parameter system")
		}
		k.codes = append(k.codes, reading.Token{System: system, Code: value, AnySystem: system == "" && !both})
	}
	if len(k.codes) == 0 {
		return bad("code", "statistics of what? name a code")
	}
	k.wanted = split(args["statistic"])
	if len(k.wanted) == 0 {
		return bad("statistic", "which statistics are wanted? such as average")
	}
	for _, s := range k.wanted {
		if title(s) == "" {
			return bad("statistic", "there is no statistic %s", clip(s))
		}
	}
	k.include, k.limit = args.Get("include") == "true", maxSources
	if text := args.Get("limit"); text != "" && k.include {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return bad("limit", "limit is how many Observations come along, 1 or more")
		}
		k.limit = min(n, maxSources)
	}
	return k.readTime(args)
}

// readTime reads duration and period.
func (k *census) readTime(args url.Values) error {
	if text := args.Get("duration"); text != "" {
		hours, err := strconv.ParseFloat(text, 64)
		if err != nil || !(hours > 0) || hours > 1e6 {
			return bad("duration", "duration is a number of hours")
		}
		k.during = vigil.Interval{From: k.in.Now - vigil.Instant(hours*3.6e9), To: k.in.Now + 1}
		return nil
	}
	period := k.in.Parameter("period").Get("valuePeriod")
	if !period.Ok() {
		if args.Get("period") != "" {
			return bad("period", "a period is sent in Parameters, as valuePeriod")
		}
		return nil
	}
	var err error
	if start := period.Get("start").Text(); start != "" {
		if k.during.From, _, err = reading.ParseDate(start); err != nil {
			return bad("period.start", "start is no date or time")
		}
	}
	if end := period.Get("end").Text(); end != "" {
		if _, k.during.To, err = reading.ParseDate(end); err != nil {
			return bad("period.end", "end is no date or time")
		}
	}
	return nil
}

func split(list []string) []string {
	var out []string
	for _, s := range list {
		for t := range strings.SplitSeq(s, ",") {
			if t = strings.TrimSpace(t); t != "" {
				out = append(out, t)
			}
		}
	}
	return out
}

// address is the search for the Observations that count.
func (k *census) address() string {
	v := url.Values{"subject": {k.subject}}
	var codes []string
	for _, c := range k.codes {
		if c.AnySystem {
			codes = append(codes, c.Code)
		} else {
			codes = append(codes, c.System+"|"+c.Code)
		}
	}
	v.Set("combo-code", strings.Join(codes, ","))
	const form = "2006-01-02T15:04:05.000000Z"
	if k.during.From != 0 {
		v.Add("date", "ge"+k.during.From.Time().UTC().Format(form))
	}
	if k.during.To != 0 {
		v.Add("date", "lt"+k.during.To.Time().UTC().Format(form))
	}
	return "Observation?" + v.Encode()
}

// every tells whether a statistic needs every value.
func (k *census) every() bool {
	return len(k.amended) > 0 || slices.ContainsFunc(k.wanted, func(s string) bool {
		return !slices.Contains([]string{"average", "maximum", "minimum", "count", "sum"}, s)
	})
}

// readings adds what series have, without those readings that somebody has
// written on.
func (k *census) readings(ctx context.Context) error {
	ref := k.in.Engine().ParseRef(k.subject)
	if k.from == nil || ref.Type != "Patient" {
		return nil
	}
	var err error
	k.results, err = k.from.Figures(ctx, reading.FigureQuery{
		Subject: vigil.PatientSubject(k.from.PatientID(ref.ID)), Any: k.codes, During: k.during, Values: k.every(),
	})
	if err != nil {
		return err
	}
	for _, id := range k.amended {
		if err := k.takeBack(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// takeBack takes the values of a reading out again.
func (k *census) takeBack(ctx context.Context, id string) error {
	r, err := k.in.Read(ctx, "Observation", id, "1")
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	doc, err := tree.Parse(r.Body)
	if err != nil {
		return err
	}
	if doc.Root().Get("status").Text() == "entered-in-error" {
		return nil
	}
	at := taken(doc.Root())
	values(doc.Root(), k.codes, func(code, quantity tree.Node) {
		v, unit, ok := number(quantity)
		if f := k.figures(code, unit, false); f != nil && ok {
			one := &reading.Figures{Unit: f.Unit}
			if fits, err := one.AddIn(at, v, unit, false); fits && err == nil {
				remove(f, at, one.Sum)
			}
		}
	})
	return nil
}

// remove takes a value out of figures that keep them all.
func remove(f *reading.Figures, at vigil.Instant, v float64) {
	for i := range f.Values {
		// Bodies have milliseconds and as many digits as the device gave.
		if d := f.Times[i] - at; d >= 0 && d < 1000 && math.Abs(f.Values[i]-v) <= 1e-9*math.Abs(v) {
			values, times := slices.Delete(f.Values, i, i+1), slices.Delete(f.Times, i, i+1)
			*f = reading.Figures{Codes: f.Codes, Title: f.Title, Unit: f.Unit, Total: f.Total - 1}
			for j := range values {
				_ = f.Add(times[j], values[j], true) // there are fewer than there were
			}
			return
		}
	}
}

// document adds what a client wrote; with members also what a panel refers to.
func (k *census) document(ctx context.Context, body []byte, members bool) error {
	doc, err := tree.Parse(body)
	if err != nil {
		return err
	}
	root := doc.Root()
	if s := root.Get("status").Text(); s == "entered-in-error" || s == "cancelled" {
		return nil
	}
	at := taken(root)
	codes := k.codes
	if !members {
		codes = nil // whatever a panel has counts
	}
	var failed error
	values(root, codes, func(code, quantity tree.Node) {
		v, unit, ok := number(quantity)
		f := k.figures(code, unit, true)
		f.Total++
		if ok && failed == nil {
			_, failed = f.AddIn(at, v, unit, k.every())
		}
	})
	if failed != nil || !members || !matches(root.Get("code"), codes) {
		return failed
	}
	for m := range root.Get("hasMember").Items() {
		r := k.in.Engine().ParseRef(strings.TrimPrefix(m.Get("reference").Text(), k.in.Base+"/"))
		if k.members++; r.Type != "Observation" || r.URL != "" || k.members > maxSources {
			continue
		}
		got, err := k.in.Read(ctx, r.Type, r.ID, r.Version)
		if gone(err) {
			continue
		}
		if err == nil {
			err = k.document(ctx, got.Body, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// values calls f with each value of an Observation whose code is one of codes:
// its own, those of its parts, and all parts of a panel that has such a code.
func values(root tree.Node, codes []reading.Token, f func(code, quantity tree.Node)) {
	whole := matches(root.Get("code"), codes)
	if whole && !root.Get("component").Ok() || whole && root.Get("valueQuantity").Ok() {
		f(root.Get("code"), root.Get("valueQuantity"))
	}
	for c := range root.Get("component").Items() {
		if whole || matches(c.Get("code"), codes) {
			f(c.Get("code"), c.Get("valueQuantity"))
		}
	}
}

// matches tells whether a concept has one of some codes; any when there are
// none.
func matches(concept tree.Node, codes []reading.Token) bool {
	if len(codes) == 0 {
		return true
	}
	for c := range concept.Get("coding").Items() {
		for _, t := range codes {
			if t.Matches(c.Get("system").Text(), c.Get("code").Text()) {
				return true
			}
		}
	}
	return false
}

// number reads a quantity with a UCUM unit. One that says less than is no value.
func number(q tree.Node) (v float64, unit string, ok bool) {
	if !q.Ok() || q.Get("comparator").Ok() || q.Get("system").Text() != "http://unitsofmeasure.org" {
		return 0, "", false
	}
	v, err := strconv.ParseFloat(q.Get("value").Text(), 64)
	return v, q.Get("code").Text(), err == nil && !math.IsInf(v, 0)
}

// taken is when an Observation was made: the begin of a period.
func taken(root tree.Node) vigil.Instant {
	text := root.Get("effectiveDateTime").Text() + root.Get("effectiveInstant").Text() + root.Get("effectivePeriod").Get("start").Text()
	at, _, err := reading.ParseDate(text)
	if err != nil {
		return 0
	}
	return at
}

// figures finds those of a code and a unit, or begins them.
func (k *census) figures(code tree.Node, unit string, begin bool) *reading.Figures {
	var codes []vigil.Code
	for c := range code.Get("coding").Items() {
		codes = append(codes, vigil.Code{System: c.Get("system").Text(), Value: c.Get("code").Text(), Display: c.Get("display").Text()})
	}
	for _, f := range k.results {
		shared := slices.ContainsFunc(f.Codes, func(c vigil.Code) bool {
			return slices.ContainsFunc(codes, func(o vigil.Code) bool { return o.System == c.System && o.Value == c.Value })
		})
		if !shared {
			continue
		}
		if f.Unit == "" && f.Count == 0 {
			f.Unit = unit
		}
		probe := &reading.Figures{Unit: f.Unit}
		if ok, err := probe.AddIn(0, 1, unit, false); unit == "" || err == nil && ok {
			return f
		}
	}
	if !begin {
		return nil
	}
	f := &reading.Figures{Codes: codes, Title: code.Get("text").Text(), Unit: unit}
	k.results = append(k.results, f)
	return f
}

// answer writes the results, and the Observations that they are of when they are
// wanted.
func (k *census) answer(ctx context.Context, find string) (*rest.Result, error) {
	for _, c := range k.codes {
		if !slices.ContainsFunc(k.results, func(f *reading.Figures) bool {
			return slices.ContainsFunc(f.Codes, func(o vigil.Code) bool { return c.Matches(o.System, o.Value) })
		}) && len(k.results) == 0 {
			k.results = append(k.results, &reading.Figures{Codes: []vigil.Code{{System: c.System, Value: c.Code}}})
		}
	}
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Parameters").Name("parameter").Array()
	for _, f := range k.results {
		w.Object().Text("name", "statistics").Name("resource")
		k.observation(w, f)
		w.End()
	}
	if k.include {
		n := 0
		err := k.in.Find(ctx, find, func(r vigil.Resource) error {
			if n++; n > k.limit {
				return errEnough
			}
			w.Object().Text("name", "source").Member("resource", r.Body).End()
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
	}
	return &rest.Result{Body: w.End().End().Bytes()}, nil
}

// observation writes the statistics of one code.
func (k *census) observation(w *tree.Writer, f *reading.Figures) {
	w.Object().Text("resourceType", "Observation").Text("status", "final").Name("code").Object()
	if len(f.Codes) > 0 {
		w.Name("coding").Array()
		for _, c := range f.Codes {
			coding(w, c.System, c.Value, c.Display)
		}
		w.End()
	}
	if f.Title != "" {
		w.Text("text", f.Title)
	}
	w.End().Name("subject").Object().Text("reference", k.subject).End()
	if k.during != (vigil.Interval{}) {
		w.Name("effectivePeriod").Object()
		if k.during.From != 0 {
			w.Text("start", k.during.From.Time().UTC().Format(time.RFC3339Nano))
		}
		if k.during.To != 0 {
			w.Text("end", (k.during.To - 1).Time().UTC().Format(time.RFC3339Nano))
		}
		w.End()
	}
	w.Name("component").Array()
	of := &sample{Figures: f}
	for _, s := range k.wanted {
		for _, r := range of.figure(s) {
			w.Object().Name("code").Object().Name("coding").Array()
			coding(w, statistics, s, title(s))
			w.End()
			if r.name != "" {
				w.Text("text", r.name)
			}
			w.End()
			if r.absent {
				w.Name("dataAbsentReason").Object().Name("coding").Array()
				coding(w, "http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-applicable", "Not Applicable")
				w.End().End().End()
				continue
			}
			w.Name("valueQuantity").Object().Name("value").Word(decimal(r.value))
			if r.unit != "" {
				w.Text("unit", r.unit).Text("system", "http://unitsofmeasure.org").Text("code", r.unit)
			}
			w.End().End()
		}
	}
	w.End().End()
}

func coding(w *tree.Writer, system, code, display string) {
	w.Object()
	if system != "" {
		w.Text("system", system)
	}
	w.Text("code", code)
	if display != "" {
		w.Text("display", display)
	}
	w.End()
}

// decimal writes a number with twelve digits: what is behind them is the error
// of the arithmetic.
func decimal(v float64) string {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		r = v
	}
	return strconv.FormatFloat(r, 'f', -1, 64)
}
