package path

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// textFunction returns a function on texts (N1 §5.6).
func textFunction(name string) (f plainFunc, least, most int) {
	switch name {
	case "indexOf", "lastIndexOf":
		return indexOf, 1, 1
	case "substring":
		return substring, 1, 2
	case "upper":
		return onText(func(s string) any { return strings.ToUpper(s) }), 0, 0
	case "lower":
		return onText(func(s string) any { return strings.ToLower(s) }), 0, 0
	case "trim":
		return onText(func(s string) any { return strings.TrimSpace(s) }), 0, 0
	case "length":
		return onText(func(s string) any { return int64(utf8.RuneCountInString(s)) }), 0, 0
	case "toChars":
		return toChars, 0, 0
	case "replace":
		return replace, 2, 2
	case "replaceMatches":
		return replaceMatches, 2, 2
	case "encode", "decode", "escape", "unescape":
		return recode, 1, 1
	case "split":
		return split, 1, 1
	case "join":
		return join, 0, 1
	}
	return nil, 0, 0
}

func onText(f func(string) any) plainFunc {
	return func(_ *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
		s, ok, err := singleText(n, in)
		if err != nil || !ok {
			return out, err
		}
		return append(out, Of(f(s))), nil
	}
}

// texts returns the input and the arguments as texts; ok is false when one is
// missing.
func texts(n *node, in []Item, args [][]Item) (all [3]string, ok bool, err error) {
	if all[0], ok, err = singleText(n, in); err != nil {
		return all, false, err
	}
	for i := range args[:min(len(args), 2)] {
		var have bool
		if all[i+1], have, err = singleText(n, args[i]); err != nil {
			return all, false, err
		}
		ok = ok && have
	}
	return all, ok, nil
}

// indexOf counts characters, as substring does.
func indexOf(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	t, ok, err := texts(n, in, args)
	if err != nil || !ok {
		return out, err
	}
	i := strings.Index(t[0], t[1])
	if n.text == "lastIndexOf" {
		i = strings.LastIndex(t[0], t[1])
	}
	if i > 0 {
		i = utf8.RuneCountInString(t[0][:i])
	}
	return append(out, Of(int64(i))), nil
}

func substring(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	s, ok, err := singleText(n, in)
	if err != nil || !ok {
		return out, err
	}
	start, ok, err := singleInteger(n, args[0])
	if err != nil || !ok {
		return out, err
	}
	length := len(s)
	if len(args) == 2 {
		if v, ok, err := singleInteger(n, args[1]); err != nil {
			return out, err
		} else if ok {
			length = v
		}
	}
	runes := []rune(s)
	if start < 0 || start >= len(runes) {
		return out, nil
	}
	end := start + min(max(length, 0), len(runes)-start)
	return append(out, Of(string(runes[start:end]))), nil
}

func toChars(m *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
	s, ok, err := singleText(n, in)
	if err != nil || !ok {
		return out, err
	}
	if err := m.spend(len(s), n); err != nil {
		return out, err
	}
	for _, r := range s {
		out = append(out, Of(string(r)))
	}
	return out, nil
}

// maxReplaced bounds the product of a text and what replaces parts of it.
const maxReplaced = 1 << 26

func tooLong(n *node, s, by string) error {
	if (len(s)+1)*(len(by)+1) > maxReplaced {
		return &EvalError{n.pos, "a text would be too long", ErrCost}
	}
	return nil
}

func replace(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	t, ok, err := texts(n, in, args)
	if err != nil || !ok {
		return out, err
	}
	if err := tooLong(n, t[0], t[2]); err != nil {
		return out, err
	}
	return append(out, Of(strings.ReplaceAll(t[0], t[1], t[2]))), nil
}

// maxPattern bounds regular expressions.
const maxPattern = 4096

// A pattern is a compiled regular expression and what it was compiled from.
type pattern struct {
	text string
	re   *regexp.Regexp
}

// regex compiles a regular expression; the last one is kept with the node,
// since it nearly always is a literal. The point matches line breaks, too.
func (n *node) regex(text string, full bool) (*regexp.Regexp, error) {
	if p := n.last.Load(); p != nil && p.text == text {
		return p.re, nil
	}
	if len(text) > maxPattern {
		return nil, fail(n, "a regular expression has at most %d bytes", maxPattern)
	}
	wrapped := "(?s:" + text + ")"
	if full {
		wrapped = "^(?s:" + text + ")$"
	}
	re, err := regexp.Compile(wrapped)
	if err != nil {
		return nil, fail(n, "%q is not a regular expression", text)
	}
	n.last.Store(&pattern{strings.Clone(text), re})
	return re, nil
}

func matches(m *machine, n *node, in []Item, args [][]Item) (tri, error) {
	t, ok, err := texts(n, in, args)
	if err != nil || !ok {
		return none, err
	}
	re, err := n.regex(t[1], n.text == "matchesFull")
	if err != nil {
		return none, err
	}
	if err := m.spend(len(t[0])*(1+len(t[1])/16)/16, n); err != nil {
		return none, err
	}
	return triOf(re.MatchString(t[0])), nil
}

func replaceMatches(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	t, ok, err := texts(n, in, args)
	if err != nil || !ok {
		return out, err
	}
	if t[1] == "" {
		return append(out, Of(t[0])), nil
	}
	re, err := n.regex(t[1], false)
	if err != nil {
		return out, err
	}
	if err := tooLong(n, t[0], t[2]); err != nil {
		return out, err
	}
	if strings.Contains(t[2], "$") && len(t[0])*len(t[0])*(1+strings.Count(t[2], "$")) > maxReplaced {
		return out, &EvalError{n.pos, "a text would be too long", ErrCost}
	}
	if err := m.spend(len(t[0])*(1+len(t[1])/16)/16, n); err != nil {
		return out, err
	}
	return append(out, Of(re.ReplaceAllString(t[0], t[2]))), nil
}

// recode is encode, decode, escape and unescape.
func recode(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	t, ok, err := texts(n, in, args)
	if err != nil || !ok {
		return out, err
	}
	s, ok := recoded(n.text, t[1], t[0])
	if !ok {
		return out, nil
	}
	return append(out, Of(s)), nil
}

func recoded(how, format, s string) (string, bool) {
	switch how + " " + format {
	case "encode hex":
		return hex.EncodeToString([]byte(s)), true
	case "encode base64":
		return base64.StdEncoding.EncodeToString([]byte(s)), true
	case "encode urlbase64":
		return base64.URLEncoding.EncodeToString([]byte(s)), true
	case "escape html":
		return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(s), true
	case "escape json":
		q := string(tree.AppendString(nil, s))
		return q[1 : len(q)-1], true
	case "unescape html":
		return html.UnescapeString(s), true
	case "unescape json":
		return unescapeJSON(s)
	}
	var b []byte
	err := strconv.ErrSyntax
	switch how + " " + format {
	case "decode hex":
		b, err = hex.DecodeString(s)
	case "decode base64":
		b, err = base64.StdEncoding.DecodeString(s)
	case "decode urlbase64":
		b, err = base64.URLEncoding.DecodeString(s)
	}
	return string(b), err == nil && utf8.Valid(b)
}

// unescapeJSON takes quotes without a backslash, too: literals of FHIRPath have
// taken theirs away.
func unescapeJSON(s string) (string, bool) {
	b := []byte{'"'}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			b = append(b, s[i], s[i+1])
			i++
		case s[i] == '"':
			b = append(b, '\\', '"')
		default:
			b = append(b, s[i])
		}
	}
	d, err := tree.Parse(append(b, '"'))
	if err != nil {
		return "", false
	}
	return d.Root().Text(), true
}

func split(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	t, ok, err := texts(n, in, args)
	if err != nil || !ok {
		return out, err
	}
	if err := m.spend(len(t[0]), n); err != nil {
		return out, err
	}
	for s := range strings.SplitSeq(t[0], t[1]) {
		out = append(out, Of(s))
	}
	return out, nil
}

func join(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	by := ""
	if len(args) == 1 {
		s, ok, err := singleText(n, args[0])
		if err != nil || !ok {
			return out, err
		}
		by = s
	}
	var parts []string
	size := 0
	for i := range in {
		s, ok := in[i].text()
		if !ok {
			if in[i].kind() == None {
				continue
			}
			return out, fail(n, "join() joins texts, not %s", in[i].info().Name)
		}
		if size += len(s) + len(by); size > maxString {
			return out, &EvalError{n.pos, "a text would be too long", ErrCost}
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return out, nil
	}
	return append(out, Of(strings.Join(parts, by))), nil
}
