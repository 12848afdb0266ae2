package devices

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// A builder makes the parts of a profile from the file.
type builder struct {
	section
	p          *Profile
	each       *jsonbody.Path
	number     *jsonbody.Path
	correction *jsonbody.Path
}

// sections returns the parts of a list of mappings.
func (b *builder) sections(name string, keys []key) []section {
	n := b.values[name]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		b.wrong(n, "%s: want a list", name)
		return nil
	}
	out := make([]section, len(n.Content))
	for i, item := range n.Content {
		out[i] = b.section.section(item, "an entry of "+name, keys)
	}
	return out
}

// group finds the group of an entry: its own list, the profile's when one of its
// paths starts at the item, else the message.
func (b *builder) group(s section, when *condition, paths ...*jsonbody.Path) *group {
	ofItem := when.ofItem()
	for _, p := range paths {
		ofItem = ofItem || p != nil && p.OfItem()
	}
	each := s.each("each")
	if each == nil && ofItem {
		each = b.each
	}
	if each == nil && ofItem && !s.has("each") {
		b.wrong(s.node, "a path begins at the item, but there is no each to say what the items are")
	}
	return b.groupOf(each)
}

// entry reads what all kinds of entry share.
func (b *builder) entry(s section) (when *condition, channel string, own *jsonbody.Path) {
	own = s.path("time")
	if own != nil && b.p.time.path == nil {
		b.wrong(s.at("time"), "time: the profile's time is missing, which says the format")
	}
	channel = s.text("channel")
	if channel != "" && len(b.p.Channels) > 0 && !slices.Contains(b.p.Channels, channel) {
		b.wrong(s.at("channel"), "channel: %q is not one of the profile's channels", channel)
	}
	return s.condition("when"), channel, own
}

// panels reads the panels.
func (b *builder) panels() {
	n := b.values["panels"]
	if n == nil {
		return
	}
	s := b.section.section(n, "panels", nil)
	for name, body := range s.values {
		if !isName(name) {
			b.wrong(s.names[name], "panels: %q is not a name: want small letters, digits and dashes", name)
		}
		panel := b.section.section(body, "a panel", panelKeys())
		b.p.panels[name] = &vigil.Panel{Name: name, Codes: panel.codes("code")}
	}
}

// metric returns the metric of a reading and its index, making it when this is
// the first entry for it. Later entries only say where else it is found.
func (b *builder) metric(s section, unit string) (*vigil.Metric, int) {
	name := s.name("metric")
	for i, m := range b.p.metrics {
		if m.Name != name {
			continue
		}
		for _, k := range [...]string{"title", "code", "category", "panel", "cadence", "silence", "decimals"} {
			if s.has(k) {
				b.wrong(s.names[k], "%s of %q was said on line %d", k, name, b.p.lines[name])
			}
		}
		if m.Unit != unit && unit != "" && m.Unit != "" {
			b.wrong(s.node, "%q is kept in %s since line %d, not in %s", name, m.Unit, b.p.lines[name], unit)
		}
		return m, i
	}
	m := &vigil.Metric{
		Name: name, Title: s.text("title"), Codes: s.codes("code"), Unit: unit,
		Category: s.category(), Decimals: -1,
	}
	s.adorn(m)
	if s.has("decimals") {
		v := s.number("decimals", 0)
		if v < 0 || v > 9 || v != float64(int8(v)) {
			b.wrong(s.at("decimals"), "decimals: want a whole number from 0 to 9")
		} else {
			m.Decimals = int8(v)
		}
	}
	cadence, silence := b.p.cadence, b.p.silence
	if s.has("cadence") {
		cadence, silence = s.cadence("cadence"), 0
	}
	if s.has("silence") {
		silence = s.duration("silence")
	}
	if silence == 0 {
		silence = silenceOf(cadence)
	}
	m.Cadence, m.Silence = cadence.Microseconds(), silence.Microseconds()
	if panel := s.text("panel"); panel != "" {
		if m.Panel = b.p.panels[panel]; m.Panel == nil {
			b.wrong(s.at("panel"), "panel: there is no panel %q", panel)
		}
	}
	b.p.lines[name] = s.node.Line
	b.p.metrics = append(b.p.metrics, m)
	return m, len(b.p.metrics) - 1
}

// adorn fills in what the code table knows.
func (s section) adorn(m *vigil.Metric) {
	for _, c := range m.Codes {
		known, ok := lookup(s.own, c)
		if ok && m.Title == "" {
			m.Title = known.title
		}
		if ok && m.Category == "" {
			m.Category = known.category
		}
	}
	if m.Title == "" {
		m.Title = strings.ToUpper(m.Name[:min(1, len(m.Name))]) + strings.ReplaceAll(m.Name[min(1, len(m.Name)):], "-", " ")
	}
}

// category reads an observation category of FHIR R4.
func (s section) category() string {
	c := s.text("category")
	known := []string{"", "vital-signs", "activity", "laboratory", "therapy", "procedure", "survey", "exam", "imaging", "social-history"}
	if !slices.Contains(known, c) {
		s.wrong(s.at("category"), "category: %q is none of %s", c, strings.Join(known[1:], ", "))
	}
	return c
}

// waves reads the waves.
func (b *builder) waves() {
	for _, s := range b.sections("waves", waveKeys()) {
		w := wave{path: s.path("path"), gain: 1}
		w.when, w.channel, w.time = b.entry(s)
		num, den := int64(1), int64(1)
		w.rate, num, den = s.rate(num, den)
		w.gain, w.gainAt = s.numberOrPath("gain", 1)
		w.offset, w.offsetAt = s.numberOrPath("offset", 0)
		w.physical = s.flag("physical")
		if w.gain == 0 {
			b.wrong(s.at("gain"), "gain: must not be 0")
		}
		m := &vigil.Metric{
			Name: s.name("metric"), Title: s.text("title"), Codes: s.codes("code"), Unit: s.unit("unit"),
			Category: s.category(), Decimals: -1, RateNum: num, RateDen: den, Silence: (10 * time.Second).Microseconds(),
		}
		s.adorn(m)
		if s.has("silence") {
			m.Silence = s.duration("silence").Microseconds()
		}
		w.rates = &waveRates{base: m, by: map[[2]int64]*vigil.Metric{}}
		w.index = -1
		for i, other := range b.p.waves {
			if other.base.Name == m.Name {
				w.index, w.rates = i, other
				if other.base.Unit != m.Unit || w.rate == nil && (other.base.RateNum != num || other.base.RateDen != den) {
					b.wrong(s.node, "%q has another unit or rate than where it stood before", m.Name)
				}
			}
		}
		if w.index < 0 {
			b.p.waves = append(b.p.waves, w.rates)
			w.index = len(b.p.waves) - 1
		}
		g := b.group(s, w.when, w.path, w.time, w.rate, w.gainAt, w.offsetAt)
		g.waves = append(g.waves, w)
	}
}

// rate reads a rate, fixed or from the message.
func (s section) rate(num, den int64) (*jsonbody.Path, int64, int64) {
	n := s.values["rate"]
	if n == nil {
		return nil, num, den
	}
	if n.Kind == yaml.MappingNode {
		return s.section(n, "rate", pathKeys()).path("path"), num, den
	}
	text := s.scalar(n, "rate")
	number, unit, _ := strings.Cut(text, " ")
	num, den, ok := parseRate(number)
	if !ok || strings.TrimSpace(unit) != "/s" {
		s.wrong(n, "rate: %q is not a rate like 250 /s, 62.5 /s or 1000/3 /s", text)
		return nil, 1, 1
	}
	return nil, num, den
}

// numberOrPath reads a number, fixed or from the message.
func (s section) numberOrPath(name string, otherwise float64) (float64, *jsonbody.Path) {
	n := s.values[name]
	if n != nil && n.Kind == yaml.MappingNode {
		return otherwise, s.section(n, name, pathKeys()).path("path")
	}
	return s.number(name, otherwise), nil
}

// events reads the events.
func (b *builder) events() {
	for _, s := range b.sections("events", eventKeys()) {
		e := event{kind: s.name("event"), title: s.text("title"), codes: s.codes("code"), path: s.path("path")}
		e.when, e.channel, e.time = b.entry(s)
		if e.path == nil && e.when == nil && !s.has("path") && !s.has("when") {
			b.wrong(s.node, "an event needs a path or a when")
		}
		paths := []*jsonbody.Path{e.path, e.time}
		if n := s.values["data"]; n != nil {
			data := b.section.section(n, "data", nil)
			for i := 0; i+1 < len(n.Content); i += 2 {
				name := n.Content[i].Value
				path := data.path(name)
				if path == nil {
					continue
				}
				quoted, err := json.Marshal(name)
				if err != nil {
					b.wrong(n.Content[i], "data: %q cannot be a name", name)
					continue
				}
				e.data = append(e.data, dataField{append(quoted, ':'), path})
				paths = append(paths, path)
			}
		}
		g := b.group(s, e.when, paths...)
		g.events = append(g.events, e)
	}
}

// states reads the states.
func (b *builder) states() {
	for _, s := range b.sections("states", stateKeys()) {
		st := state{when: s.condition("when"), names: s.texts("absent")}
		st.channel = s.text("channel")
		word := s.text("says")
		says, ok := vigil.ParseState(word)
		if !ok && word != "" {
			b.wrong(s.at("says"), "says: %q is none of %s", word, strings.Join(vigil.StateWords(), ", "))
		}
		st.says = says
		for _, name := range st.names {
			found := false
			for i, m := range b.p.metrics {
				if m.Name == name {
					st.absent, found = append(st.absent, i), true
				}
			}
			for i, w := range b.p.waves {
				if w.base.Name == name {
					st.absent, found = append(st.absent, len(b.p.metrics)+i), true
				}
			}
			if !found {
				b.wrong(s.at("absent"), "absent: there is no metric %q", name)
			}
		}
		if st.when == nil {
			continue
		}
		g := b.group(s, st.when)
		g.states = append(g.states, st)
	}
}

// finish brings the groups into order, the message first, and settles what
// could not be said before all was read.
func (b *builder) finish() {
	p := b.p
	slices.SortStableFunc(p.groups, func(a, c group) int {
		switch {
		case a.each == nil && c.each != nil:
			return -1
		case a.each != nil && c.each == nil:
			return 1
		}
		return 0
	})
	for i := range p.groups {
		for j := range p.groups[i].waves {
			p.groups[i].waves[j].index += len(p.metrics)
		}
	}
	if len(p.metrics)+len(p.waves) == 0 && len(p.EventTypes()) == 0 {
		b.wrong(b.node, "a profile says nothing without readings, waves or events")
	}
	if b.each == nil {
		for _, name := range [...]string{"number", "correction"} {
			if path := b.path(name); path != nil && path.OfItem() {
				b.wrong(b.at(name), "%s: the path begins at the item, but there is no each", name)
			}
		}
		if p.time.path != nil && p.time.path.OfItem() {
			b.wrong(b.at("time"), "time: the path begins at the item, but there is no each")
		}
	}
}
