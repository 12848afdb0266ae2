package fhir

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

// A param is one search parameter as it came. Its values are alternatives;
// parameters that are given twice must both hold.
type param struct {
	raw      string // name with modifier
	name     string
	modifier string
	values   []string
}

// The bounds of a page.
const (
	defaultCount = 50
	maxCount     = 1000
	maxForm      = 1 << 20 // bytes of a posted search
)

// A search is the parts that searches of all types have in common.
type search struct {
	resource string
	params   []param
	count    int
	sort     []string
	total    bool // the total is wanted
	only     bool // … and nothing else
	cursor   string
	// odd are the parameters that were not understood: reported, not obeyed.
	odd  []*problem
	self url.Values // what was obeyed
}

// parseSearch reads the parameters of a search; known names those of the type.
func (h *Handler) parseSearch(r *http.Request, resource string, more url.Values, known ...string) (*search, error) {
	values, err := allValues(r)
	if err != nil {
		return nil, err
	}
	for k, v := range more {
		values[k] = append(values[k], v...)
	}
	s := &search{resource: resource, count: defaultCount, self: url.Values{}}
	names := make([]string, 0, len(values))
	for k := range values {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, raw := range names {
		for _, v := range values[raw] {
			if err := s.take(raw, v, known); err != nil {
				return nil, err
			}
		}
	}
	if len(s.odd) > 0 && strict(r) {
		return nil, s.odd[0]
	}
	return s, nil
}

// take reads one parameter.
func (s *search) take(raw, value string, known []string) error {
	name, modifier, _ := strings.Cut(raw, ":")
	if value == "" { // search.html: parameters without a value are ignored
		return nil
	}
	if done, err := s.control(raw, value); done || err != nil {
		return err
	}
	if !slices.Contains(known, name) {
		s.odd = append(s.odd, notSupported(http.StatusBadRequest, raw,
			"the parameter "+raw+" is not supported for "+s.resource+"; it was not used"))
		return nil
	}
	s.self.Add(raw, value)
	s.params = append(s.params, param{raw: raw, name: name, modifier: modifier, values: split(value, ',')})
	return nil
}

// control reads the parameters that shape the answer.
func (s *search) control(name, value string) (bool, error) {
	switch name {
	case "_format", "_pretty":
		return true, nil
	case "_cursor":
		s.cursor = value
		return true, nil
	case "_count":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return true, bad(name, "_count is a number of entries, 0 or more")
		}
		s.count, s.only = min(n, maxCount), s.only || n == 0
	case "_sort":
		s.sort = split(value, ',')
	case "_total":
		switch value {
		case "accurate":
			s.total = true
		case "none", "estimate":
		default:
			return true, bad(name, "_total is none, estimate or accurate")
		}
	case "_summary":
		switch value {
		case "count":
			s.only = true
		case "false":
		default:
			s.odd = append(s.odd, notSupported(http.StatusBadRequest, name,
				"_summary is supported as count and false; whole resources were returned"))
			return true, nil
		}
	default:
		return false, nil
	}
	s.self.Add(name, value)
	return true, nil
}

// unsorted reports a key that cannot be sorted by, and takes it out of what was
// obeyed.
func (s *search) unsorted(key string) {
	s.odd = append(s.odd, notSupported(http.StatusBadRequest, "_sort", "sorting by "+key+" is not supported; it was not used"))
	s.self.Del("_sort")
	keys := slices.DeleteFunc(slices.Clone(s.sort), func(k string) bool { return k == key })
	if s.sort = keys; len(keys) > 0 {
		s.self.Set("_sort", strings.Join(keys, ","))
	}
}

// allValues gathers parameters of the address and of a posted form.
func allValues(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, bad("", "the query part of the address is not encoded rightly")
	}
	if r.Method != http.MethodPost {
		return values, nil
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/x-www-form-urlencoded" {
		return nil, notSupported(http.StatusUnsupportedMediaType, "", "a posted search is application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxForm))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, vigil.Errorf(vigil.TooLarge, "a posted search has at most %d bytes", maxForm)
		}
		return nil, bad("", "the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, bad("", "the body is not encoded rightly")
	}
	for k, v := range form {
		values[k] = append(values[k], v...)
	}
	return values, nil
}

// strict tells whether the client wants odd parameters refused.
func strict(r *http.Request) bool {
	for _, line := range r.Header.Values("Prefer") {
		for p := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ';' }) {
			if strings.ReplaceAll(strings.TrimSpace(p), " ", "") == "handling=strict" {
				return true
			}
		}
	}
	return false
}

// split cuts s at every separator that has no backslash before it, and keeps
// the other escapes (search.html#escaping).
func split(s string, separator byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unescape takes the backslashes out.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// plainOnly refuses modifiers: the standard wants those that are not supported
// refused, not ignored.
func (p param) plainOnly() error {
	if p.modifier != "" {
		return notSupported(http.StatusBadRequest, p.raw, "the modifier :"+p.modifier+" is not supported here")
	}
	return nil
}

func parseToken(s string) reading.Token {
	parts := split(s, '|')
	if len(parts) == 1 {
		return reading.Token{Code: unescape(s), AnySystem: true}
	}
	return reading.Token{System: unescape(parts[0]), Code: unescape(strings.Join(parts[1:], "|"))}
}

// tokens reads all values of a parameter.
func (p param) tokens() []reading.Token {
	out := make([]reading.Token, len(p.values))
	for i, v := range p.values {
		out[i] = parseToken(v)
	}
	return out
}

func anyToken(tokens []reading.Token, codes []vigil.Code) bool {
	return slices.ContainsFunc(tokens, func(t reading.Token) bool {
		return slices.ContainsFunc(codes, func(c vigil.Code) bool { return t.Matches(c.System, c.Value) })
	})
}

// A reference is the value of a reference parameter; the type is empty when
// only an id was given.
type reference struct{ kind, id string }

// reference reads ID, Type/ID or an address of ours. An address elsewhere is
// not ok: nothing here refers to it.
func (h *Handler) reference(r *http.Request, p param, value string) (reference, bool) {
	value = unescape(value)
	if strings.Contains(value, "://") {
		rest, ok := strings.CutPrefix(value, h.base(r)+"/")
		if !ok {
			return reference{}, false
		}
		value = rest
	}
	kind, id, ok := strings.Cut(value, "/")
	if !ok {
		return reference{p.modifier, value}, true
	}
	return reference{kind, id}, p.modifier == "" || p.modifier == kind
}
