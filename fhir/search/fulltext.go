package search

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A textTest is a text that is looked for in narratives or everywhere
// (search.html#text): words and "phrases", all of which must be there, OR
// between those of which one must be, and a minus before those that must not.
type textTest struct {
	any [][]word
}

type word struct {
	text string // folded, with a space before it
	not  bool
}

// maxWordsAsked bounds a full-text query.
const maxWordsAsked = 50

func parseText(s string) (t textTest, ok bool) {
	all, n := []word(nil), 0
	not := false
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " \t\r\n") {
		var text string
		switch {
		case s[0] == '-' && len(s) > 1:
			not, s = true, s[1:]
			continue
		case s[0] == '"':
			text, s, _ = strings.Cut(s[1:], `"`)
		default:
			i := strings.IndexAny(s, " \t\r\n\"")
			if i < 0 {
				i = len(s)
			}
			text, s = s[:i], s[i:]
			switch text {
			case "OR":
				t.any, all = append(t.any, all), nil
				continue
			case "AND":
				continue
			case "NOT":
				not = true
				continue
			}
		}
		if f := fold(text); f != "" {
			all = append(all, word{" " + f, not})
			n++
		}
		not = false
	}
	t.any = append(t.any, all)
	for _, all := range t.any {
		if len(all) == 0 {
			return t, false
		}
	}
	return t, n > 0 && n <= maxWordsAsked
}

// fullText reads _text and _content.
func (p *parser) fullText(name, base, mod, value string) *expr {
	if mod != "" {
		p.refuse(name, "not-supported", "the modifier :%s is not supported for %s", clip(mod), base)
		return nil
	}
	t, ok := parseText(value)
	if !ok {
		p.refuse(name, "invalid", "%s has from 1 to %d words", base, maxWordsAsked)
		return nil
	}
	op := byText
	if base == "_content" {
		op = byContent
	}
	return &expr{op: op, text: t}
}

// holds looks for the words in a text; of a narrative, outside of its tags.
func (t *textTest) holds(text string, narrative bool) bool {
	if narrative {
		text = withoutTags(text)
	}
	return t.in(" " + fold(text))
}

// in looks for the words in folded text. A word is found where it starts one.
func (t *textTest) in(folded string) bool {
	for _, all := range t.any {
		fits := true
		for _, w := range all {
			fits = fits && strings.Contains(folded, w.text) != w.not
		}
		if fits {
			return true
		}
	}
	return false
}

// content looks for the words in all texts of a resource.
func (t *textTest) content(root tree.Node) bool {
	var b strings.Builder
	for n := range root.All() {
		switch n.Kind() {
		case tree.String, tree.Number:
			text := n.Text()
			if n.Name() == "div" {
				text = withoutTags(text)
			}
			b.WriteByte(' ')
			b.WriteString(fold(text))
		default:
		}
	}
	return t.in(b.String())
}

// withoutTags takes the tags out of a narrative.
func withoutTags(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		b.WriteByte(' ')
		_, rest, ok := strings.Cut(s[i:], ">")
		if !ok {
			break
		}
		s = rest
	}
	return b.String()
}
