package terms

import (
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

// An Expand asks for the codes of a value set (valueset-operation-expand.html).
type Expand struct {
	URL      string           // canonical of the value set
	ValueSet *schema.ValueSet // or the value set itself
	Filter   string           // words that a display or a code has to have
	Offset   int
	Count    int // -1: all
	Active   bool
	Language string // displays in this language where there are some
}

// An Expansion is the answer.
type Expansion struct {
	URL, Version string
	Total        int
	Offset       int
	Entries      []Entry
	// Systems are the code systems that were used, system|version.
	Systems []string
}

// maxPage bounds how many codes are listed at once.
const maxPage = 20_000

// Expand lists the codes of a value set.
func (t *Terms) Expand(q Expand) (*Expansion, error) {
	codes, err := t.asked(q.URL, q.ValueSet)
	if err != nil {
		return nil, err
	}
	if why, ok := codes.Listed(); !ok {
		return nil, vigil.Errorf(vigil.TooLarge, "value set %s cannot be listed: %s", codes.URL, why)
	}
	out := &Expansion{URL: codes.URL, Version: codes.Version, Offset: q.Offset}
	words := strings.Fields(strings.ToLower(q.Filter))
	systems := map[string]bool{}
	for i := range codes.entries {
		e := &codes.entries[i]
		if q.Active && e.Inactive || !e.matches(words) {
			continue
		}
		out.Total++
		if out.Total <= q.Offset || q.Count >= 0 && len(out.Entries) >= q.Count {
			continue
		}
		if len(out.Entries) >= maxPage {
			return nil, vigil.Errorf(vigil.TooLarge, "value set %s has more than %d codes; ask for pages with count and offset", codes.URL, maxPage)
		}
		if used := e.System + "|" + e.Version; e.Version != "" && !systems[used] {
			systems[used] = true
			out.Systems = append(out.Systems, used)
		}
		out.Entries = append(out.Entries, e.in(q.Language))
	}
	return out, nil
}

func (t *Terms) asked(url string, vs *schema.ValueSet) (*Codes, error) {
	if vs != nil {
		return t.In(vs)
	}
	return t.Codes(url)
}

// matches says whether every word is the beginning of a word of a display, or of
// the code.
func (e *Entry) matches(words []string) bool {
	if len(words) == 0 {
		return true
	}
	texts := []string{" " + strings.ToLower(e.Display), " " + strings.ToLower(e.Code)}
	for _, d := range e.Designations {
		texts = append(texts, " "+strings.ToLower(d.Value))
	}
	for _, w := range words {
		found := false
		for _, s := range texts {
			found = found || strings.Contains(s, w)
		}
		if !found {
			return false
		}
	}
	return true
}

// in gives the entry with its display in a language.
func (e *Entry) in(language string) Entry {
	out := *e
	if d := designation(e.Designations, language); d != "" {
		out.Display = d
	}
	return out
}

// designation finds the name in a language, "" if there is none: de finds de-CH
// and the other way round.
func designation(list []schema.Designation, language string) string {
	if language == "" {
		return ""
	}
	want, _, _ := strings.Cut(strings.ToLower(language), "-")
	best := ""
	for _, d := range list {
		have := strings.ToLower(d.Language)
		if have == strings.ToLower(language) {
			return d.Value
		}
		if main, _, _ := strings.Cut(have, "-"); main == want && best == "" {
			best = d.Value
		}
	}
	return best
}
