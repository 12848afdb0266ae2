package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/fnv"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// everything is the operation $everything of patients and encounters
// (patient-operation-everything.html, encounter-operation-everything.html): all
// of a compartment, and what its resources refer to.
func (s *Server) everything() []Operation {
	return []Operation{
		{
			Name: "everything", Definition: "http://hl7.org/fhir/OperationDefinition/Patient-everything",
			Type: true, Instance: true, Types: []string{"Patient"}, Handle: s.handleEverything,
		},
		{
			Name: "everything", Definition: "http://hl7.org/fhir/OperationDefinition/Encounter-everything",
			Instance: true, Types: []string{"Encounter"}, Handle: s.handleEverything,
		},
	}
}

// maxEverything bounds the resources of one answer; there are more pages behind
// it.
const maxEverything = 10_000

// A lot is everything of one compartment, or of all of a kind.
type lot struct {
	own         *hunt // the same of the own type of the compartment; nil without one
	h           *hunt // of what was written
	args        url.Values
	name, id    string // of the compartment; without id: of all
	origins     []origin
	queries     []*search.Query // of the origins
	when        vigil.Interval  // of care; zero: any time
	only        []string        // _type
	count       int
	n           int  // matches of this page
	more        bool // there are more behind them
	from, until where
	refs        map[string]bool
	size        int
}

// where is where a page begins: behind a mark of a stream.
type where struct {
	Begun  bool                `json:"b,omitempty"`
	Stream int                 `json:"s,omitempty"`
	Mark   *vigil.ResourceMark `json:"m,omitempty"`
}

func (s *Server) handleEverything(ctx context.Context, in *Invocation) (*Result, error) {
	l := &lot{name: in.Type, id: in.ID, args: in.Args(), refs: map[string]bool{}}
	if err := l.read(ctx, s, in); err != nil {
		return nil, err
	}
	defer l.h.end()
	b := newBundle("searchset")
	b.body = s.buffers.get()
	if l.id != "" {
		focus, err := in.Read(ctx, l.name, l.id, "")
		if err != nil {
			return nil, err
		}
		if l.from == (where{}) && l.wants(l.name) {
			if err := l.add(b, &match{typ: focus.Type, id: focus.ID, body: focus.Body}); err != nil {
				return nil, err
			}
		}
	}
	if err := l.page(ctx, b); err != nil {
		return nil, costly(err)
	}
	if err := l.company(ctx, b); err != nil {
		return nil, costly(err)
	}
	l.links(b)
	head, tail := b.frame(in.Now)
	return &Result{parts: [][]byte{head, b.body, tail}, done: func() { s.buffers.put(b.body) }}, nil
}

// read reads what is asked for.
func (l *lot) read(ctx context.Context, s *Server, in *Invocation) error {
	raw := url.Values{}
	var err error
	for name := range l.args {
		switch name {
		case "start", "end", "_since", "_type", "_count", "_cursor", "_format", "_pretty", "_summary", "_elements":
		case "_offset":
			return notSupported(http.StatusBadRequest, "pages are gone through by their links, not by _offset").at(name)
		default:
			return notSupported(http.StatusBadRequest, "$everything has no parameter %s", clip(name)).at(name)
		}
	}
	if l.count, err = countOf(l.args.Get("_count")); err != nil {
		return err
	}
	if err := l.readTimes(); err != nil {
		return err
	}
	if since := l.args.Get("_since"); since != "" {
		raw.Set("_lastUpdated", "ge"+since)
	}
	types := slices.DeleteFunc(slices.Clone(s.set().Resources()), func(t string) bool {
		return t != l.name && len(s.set().Compartment(l.name, t)) == 0
	})
	for list := range slices.Values(l.args["_type"]) {
		for t := range strings.SplitSeq(list, ",") {
			if !s.known(t) {
				return bad("%s is no type of resource", clip(t)).at("_type")
			}
			l.only = append(l.only, t)
		}
	}
	types = slices.DeleteFunc(types, func(t string) bool { return !l.wants(t) })
	c := in.call()
	if i := slices.Index(types, l.name); i >= 0 && l.id != "" {
		// Asked for by itself: the index knows exactly what belongs to others.
		types = slices.Delete(types, i, i+1)
		if l.own, err = s.lotHunt(ctx, c, raw, []string{l.name}, l); err != nil {
			return err
		}
	}
	if l.h, err = s.lotHunt(ctx, c, raw, types, l); err != nil {
		return err
	}
	if l.h.shape, err = shapeOf(l.args); err != nil {
		return err
	}
	return l.open(ctx, c, raw, types)
}

// countOf reads _count; everything when it is not there.
func countOf(text string) (int, error) {
	if text == "" {
		return maxEverything, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, bad("_count is how many resources a page has, 1 or more").at("_count")
	}
	return min(n, maxEverything), nil
}

// readTimes reads start and end.
func (l *lot) readTimes() error {
	for _, p := range [...]struct {
		name string
		set  func(vigil.Interval)
	}{
		{"start", func(i vigil.Interval) { l.when.From = i.From }},
		{"end", func(i vigil.Interval) { l.when.To = i.To }},
	} {
		if text := l.args.Get(p.name); text != "" {
			i, err := dateRange(text)
			if err != nil {
				return err.at(p.name)
			}
			p.set(i)
		}
	}
	if l.when.To != 0 && l.when.To <= l.when.From {
		return bad("start is before end").at("end")
	}
	return nil
}

// lotHunt makes the search of some types in the compartment.
func (s *Server) lotHunt(ctx context.Context, c *call, raw url.Values, types []string, l *lot) (*hunt, error) {
	q, issues := s.engine().Parse(search.Request{Raw: raw.Encode(), Base: c.base, Now: c.now, Types: types})
	if _, err := weigh(issues, true); err != nil {
		return nil, err
	}
	if l.id != "" {
		q.Compartment(l.name, l.id)
	}
	h := &hunt{s: s, c: c, q: q}
	err := s.resolve(ctx, q, finder{s, h})
	h.plan = q.Plan()
	if len(types) == 0 {
		h.plan.Nothing = true
	}
	return h, err
}

// open opens what sources show of the compartment, and finds where the page
// begins.
func (l *lot) open(ctx context.Context, c *call, raw url.Values, types []string) error {
	s := l.h.s
	for _, o := range s.origins(types) {
		of := url.Values{"_lastUpdated": raw["_lastUpdated"]}
		if code := careDate(o.typ); s.engine().Param(o.typ, code) != nil {
			for name, prefix := range map[string]string{"start": "ge", "end": "le"} {
				if text := l.args.Get(name); text != "" {
					of.Add(code, prefix+text)
				}
			}
		}
		h, err := s.lotHunt(ctx, c, of, []string{o.typ}, l)
		if err != nil {
			return err
		}
		l.origins, l.queries = append(l.origins, o), append(l.queries, h.q)
	}
	cursor := l.args.Get("_cursor")
	if cursor == "" {
		return nil
	}
	mark, err := s.seal.open(l.purpose(), cursor)
	if err != nil {
		return err
	}
	if json.Unmarshal(mark, &l.from) != nil {
		return bad("this cursor was not made by this version of the server").at("_cursor")
	}
	return nil
}

// stream opens one of the streams behind where the page begins.
func (l *lot) stream(ctx context.Context, i int) stream {
	var after *vigil.ResourceMark
	if i == l.from.Stream {
		after = l.from.Mark
	}
	switch {
	case i == 0:
		return l.h.shelf(after, min(l.count+1, most))
	case i > len(l.origins):
		return l.own.shelf(after, most)
	}
	pull, stop := iter.Pull2(l.origins[i-1].Search(ctx, l.origins[i-1].typ, l.queries[i-1], after))
	l.h.stops = append(l.h.stops, stop)
	return &shownStream{pull: pull, from: i}
}

// page puts the resources of the compartment into the answer. It ends early
// where too many are looked into that do not belong there.
func (l *lot) page(ctx context.Context, b *bundle) error {
	l.until = l.from
	l.until.Begun = true
	looks := 0
	streams := 1 + len(l.origins)
	if l.own != nil {
		streams++
	}
	for i := l.from.Stream; i < streams; i++ {
		st := l.stream(ctx, i)
		for {
			m, err := st.next(ctx)
			if err != nil {
				return err
			}
			if m == nil {
				break
			}
			if l.n >= l.count || l.size > maxLot || looks > maxLooks {
				l.more = true
				return nil
			}
			mark := m.mark
			l.until = where{true, i, &mark}
			if m.typ == l.name && m.id == l.id {
				continue
			}
			fits, err := l.fits(m)
			looks++
			if err != nil {
				return err
			}
			if fits {
				if err := l.add(b, m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// maxLot bounds the bytes of an answer.
const maxLot = 48 << 20

// fits looks at what the index does not know: the time of care, and whether a
// resource belongs to anybody.
func (l *lot) fits(m *match) (bool, error) {
	if l.id != "" && l.when == (vigil.Interval{}) {
		return true, nil
	}
	doc, err := tree.Parse(m.body)
	if err != nil {
		return false, vigil.Errorf(vigil.Internal, "a resource cannot be read: %w", err)
	}
	v := l.h.s.engine().Extract(doc.Root())
	return (l.id != "" || l.belongs(m.typ, v)) && l.timely(m.typ, v), nil
}

// belongs tells whether a resource is in anybody's compartment.
func (l *lot) belongs(typ string, v *search.Values) bool {
	found := typ == l.name
	for _, code := range l.h.s.set().Compartment(l.name, typ) {
		v.Of(code, func(x *search.Value) bool {
			ref, ok := x.Ref()
			found = found || ok && ref.Type == l.name && ref.URL == ""
			return !found
		})
	}
	return found
}

// timely tells whether a resource is about care within the time; one that says
// nothing of time is.
func (l *lot) timely(typ string, v *search.Values) bool {
	dated, fits := false, false
	if l.when == (vigil.Interval{}) {
		return true
	}
	v.Of(careDate(typ), func(x *search.Value) bool {
		dated = true
		fits = vigil.Instant(x.Hi) >= l.when.From && (l.when.To == 0 || vigil.Instant(x.Lo) < l.when.To)
		return !fits
	})
	return fits || !dated
}

// careDate is the parameter that says when care took place.
func careDate(typ string) string {
	switch typ {
	case "Patient", "RelatedPerson", "Person":
		return "" // their dates are those of births
	case "Condition":
		return "onset-date"
	case "MedicationRequest":
		return "authoredon"
	case "MedicationAdministration":
		return "effective-time"
	case "MedicationStatement":
		return "effective"
	case "MedicationDispense":
		return "whenhandedover"
	case "ServiceRequest", "CommunicationRequest", "QuestionnaireResponse", "RequestGroup":
		return "authored"
	case "Claim", "ClaimResponse", "ExplanationOfBenefit", "CoverageEligibilityRequest", "CoverageEligibilityResponse", "Media", "DocumentManifest", "Basic":
		return "created"
	case "ImagingStudy":
		return "started"
	case "Communication":
		return "sent"
	case "Goal":
		return "start-date"
	case "DeviceRequest":
		return "event-date"
	case "Provenance":
		return "recorded"
	case "NutritionOrder":
		return "datetime"
	case "Specimen":
		return "collected"
	case "VisionPrescription":
		return "datewritten"
	case "Account":
		return "period"
	case "DetectedIssue":
		return "identified"
	case "ChargeItem":
		return "occurrence"
	}
	return "date"
}

// wants tells whether resources of a type are wanted.
func (l *lot) wants(typ string) bool { return len(l.only) == 0 || slices.Contains(l.only, typ) }

// add puts a resource into the answer and remembers what it refers to.
func (l *lot) add(b *bundle, m *match) error {
	l.n++
	l.size += len(m.body)
	l.refer(m.body)
	return l.h.add(b, m, "match")
}

// refer collects the references of a resource. They are found by their text:
// "reference" before a colon is a name everywhere in JSON.
func (l *lot) refer(body []byte) {
	name := []byte(`"reference"`)
	for {
		i := bytes.Index(body, name)
		if i < 0 || len(l.refs) > 4*maxIncluded {
			return
		}
		body = bytes.TrimLeft(body[i+len(name):], " \t\r\n")
		if len(body) == 0 || body[0] != ':' {
			continue
		}
		body = bytes.TrimLeft(body[1:], " \t\r\n")
		if len(body) == 0 || body[0] != '"' {
			continue
		}
		if end := bytes.IndexByte(body[1:], '"'); end > 0 && end < 512 {
			if !l.refs[string(body[1:1+end])] {
				l.refs[string(body[1:1+end])] = true
			}
		}
	}
}

// company adds what the resources of the page refer to, and what that refers to,
// of types that are in nobody's compartment.
func (l *lot) company(ctx context.Context, b *bundle) error {
	g := &company{h: l.h, seen: map[string]bool{}}
	if l.id != "" {
		g.seen[l.name+"/"+l.id] = true
	}
	s := l.h.s
	for range 3 {
		wanted := map[string][]string{}
		for text := range l.refs {
			r := s.engine().ParseRef(text)
			key := r.Type + "/" + r.ID
			if r.Type == "" || r.ID == "" || r.URL != "" || g.seen[key] || r.Type == l.name || !l.wants(r.Type) || len(s.set().Compartment(l.name, r.Type)) > 0 {
				continue
			}
			wanted[r.Type] = append(wanted[r.Type], r.ID)
		}
		begin := len(g.all)
		for _, ids := range wanted {
			slices.Sort(ids)
		}
		if err := g.fetch(ctx, wanted); err != nil {
			return err
		}
		clear(l.refs)
		for i := range g.all[begin:] {
			l.refer(g.all[begin+i].body)
		}
		if len(l.refs) == 0 {
			break
		}
	}
	for i := range g.all {
		if err := l.h.add(b, &g.all[i], "include"); err != nil {
			return err
		}
	}
	if g.full {
		b.outcome([]Issue{{Severity: "warning", Code: "too-costly", Text: "not everything that the resources refer to is here; there is too much of it"}})
	}
	return nil
}

// links adds the addresses of this page and of the next.
func (l *lot) links(b *bundle) {
	if !l.more && l.from == (where{}) {
		b.total = l.n
	}
	args := url.Values{}
	for name, v := range l.args {
		if name != "_cursor" {
			args[name] = v
		}
	}
	address := l.h.c.base + "/" + l.name
	if l.id != "" {
		address += "/" + l.id
	}
	address += "/$everything"
	b.link("self", address, args, l.args.Get("_cursor"))
	if l.more {
		raw, err := json.Marshal(l.until)
		if err != nil {
			panic("rest: " + err.Error()) // nothing in it can fail
		}
		b.link("next", address, args, l.h.s.seal.close(l.purpose(), raw))
	}
}

// purpose ties a cursor to what it was made for.
func (l *lot) purpose() string {
	sum := fnv.New64a()
	for _, name := range [...]string{"start", "end", "_since", "_type"} {
		_, _ = sum.Write([]byte(name + "=" + strings.Join(l.args[name], ",") + "\n"))
	}
	return "everything " + l.name + "/" + l.id + " " + strconv.FormatUint(sum.Sum64(), 36)
}
