package check

import (
	"encoding/base64"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the definitions of the primitive types say (R4, profiles-types).
const (
	patternDate    = `([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1]))?)?`
	patternZoned   = `T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))`
	patternInstant = `([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[1-2][0-9]|3[0-1])` + patternZoned
)

// grammars are the recognisers beside their regular expressions. Where the
// prose of the specification asks for more than the expression, narrow says so.
var grammars = []struct {
	name, pattern string
	is            func([]byte) bool
	narrow        func(string) bool
}{
	{"id", `[A-Za-z0-9\-\.]{1,64}`, isID, nil},
	{"code", `[^\s]+(\s[^\s]+)*`, isCode, nil},
	{"uri", `\S*`, isURI, func(s string) bool { return s != "" }},
	{"oid", `urn:oid:[0-2](\.(0|[1-9][0-9]*))+`, isOID, nil},
	{"uuid", `urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, isUUID, nil},
	{"base64Binary", `(\s*([0-9a-zA-Z\+/=]){4}\s*)+`, isBase64, func(s string) bool {
		_, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
		return err == nil
	}},
	{"integer", `-?([0]|([1-9][0-9]*))`, func(s []byte) bool { return isInteger(s, math.MinInt32) }, within},
	{"unsignedInt", `[0]|([1-9][0-9]*)`, func(s []byte) bool { return isInteger(s, 0) }, within},
	{"positiveInt", `[1-9][0-9]*`, func(s []byte) bool { return isInteger(s, 1) }, within},
	{"decimal", `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`, isDecimal, nil},
	{"time", `([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?`, isTime, nil},
	{"date", patternDate, isDate, isDay},
	{"dateTime", patternDate + `|` + patternInstant, isDateTime, isDay},
	{"instant", patternInstant, isInstant, isDay},
}

func within(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}

func isDay(s string) bool {
	if len(s) < 10 {
		return true
	}
	_, err := time.Parse(time.DateOnly, s[:10])
	return err == nil
}

var grammarSeeds = []string{
	"", "a", "a b", "a  b", " a", "a\tb", "-1", "0", "-0", "00", "01", "2147483647", "2147483648", "-2147483648", "-2147483649",
	"1.0", "1.", "1e5", "1E+5", "1e", "-1.50e-7", "urn:oid:1.2.3", "urn:oid:1.02", "urn:oid:3.1", "urn:oid:1.", "urn:oid:1", "urn:oid:1..2", "urn:oid:1.0.0",
	"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", "urn:uuid:53FEFA32-fcbb-4ff8-8a92-55ee120877b7",
	"2020", "0000", "0001", "2020-02", "2020-13", "2020-02-29", "2021-02-29", "1900-02-29", "2000-02-29", "2020-04-31", "2020-1-1", "2020-01-01T",
	"2020-01-01T10:00:00Z", "2020-01-01T24:00:00Z", "2020-01-01T23:59:60Z", "2020-01-01T10:00:00", "2020-01-01T10:00Z", "2020-01-01T10:00:00.123+14:00",
	"2020-01-01T10:00:00.123+14:01", "2020-01-01T10:00:00.-05:00", "2020-01T10:00:00Z", "12:00:00", "12:00", "12:00:00.5", "12:00:00Z",
	"YWJj", "YWI=", "YQ==", "Y===", "YQ=a", "YW Jj", "YWJj\nYWJj", "====", strings.Repeat("a", 64), strings.Repeat("a", 65), "a_b", "ü",
}

// patterns are the expressions, compiled once for all tests.
var patterns = sync.OnceValue(func() []*regexp.Regexp {
	var out []*regexp.Regexp
	for _, g := range grammars {
		out = append(out, regexp.MustCompile(`^(?:`+g.pattern+`)$`))
	}
	return out
})

func checkGrammars(t *testing.T, s string) {
	for i, g := range grammars {
		want := patterns()[i].MatchString(s) && (g.narrow == nil || g.narrow(s))
		// White space that regular expressions of other languages count in, and
		// these do not, is a control character, which no string may have.
		if strings.Contains(s, "\v") {
			return
		}
		if got := g.is([]byte(s)); got != want {
			t.Errorf("%s %q: got %v, want %v", g.name, s, got, want)
		}
	}
}

func TestGrammarsAgreeWithTheirRegularExpressions(t *testing.T) {
	for _, s := range grammarSeeds {
		checkGrammars(t, s)
	}
	// Every date of some years, and every one-character change of good values.
	for year := 1999; year < 2002; year++ {
		for month := range 14 {
			for day := range 33 {
				checkGrammars(t, strconv.Itoa(year)+"-"+pad(month)+"-"+pad(day))
			}
		}
	}
	if testing.Short() {
		return
	}
	for _, s := range []string{"2020-02-29T10:59:60.5+13:30", "urn:oid:1.20.3", "YWJj YQ==", "-12.5e+3"} {
		for i := range s {
			for _, c := range "0123459Z:.-+ eT=a/" {
				checkGrammars(t, s[:i]+string(c)+s[i+1:])
			}
		}
	}
}

func pad(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }

func FuzzGrammars(f *testing.F) {
	for _, s := range grammarSeeds {
		f.Add(s)
	}
	f.Fuzz(checkGrammars)
}

const inDiv = `<div xmlns="http://www.w3.org/1999/xhtml">`

func TestXHTML(t *testing.T) {
	for _, s := range []string{
		inDiv + `a</div>`,
		inDiv + `<p title='x'>a <b>b</b><br/></p></div>`,
		inDiv + `<img src="a.png" alt="x"/></div>`,
		`<div xmlns = 'http://www.w3.org/1999/xhtml' lang="en" xml:lang="en">&#160;&amp;&#xA9;x</div>`,
		"\n" + inDiv + `<!-- note --> <table><tr><td colspan="2">1</td></tr></table></div> `,
		inDiv + `<![CDATA[a < b]]></div>`,
		inDiv + `<a href="https://example.org/javascript:x">x</a></div>`,
		inDiv + `<a href="?a=1&amp;b=2:3">x</a></div>`,
	} {
		if got, _ := XHTML([]byte(s)); got != "" {
			t.Errorf("%s: got %q, want none", s, got)
		}
	}
	for s, want := range map[string]string{
		``:                                         "not a div",
		`text`:                                     "outside",
		`<p>a</p>`:                                 `must be a div`,
		`<div>a</div>`:                             "namespace",
		`<div xmlns="x">a</div>`:                   "namespace",
		inDiv + `</div>`:                           "neither text nor an image",
		inDiv + ` <p> </p></div>`:                  "neither text nor an image",
		inDiv + `a`:                                "not closed",
		inDiv + `<p>a</div>`:                       "not the one open",
		inDiv + `a</div><p>b</p>`:                  "more than one",
		inDiv + `a</div>b`:                         "outside",
		inDiv + `&nbsp;</div>`:                     `"nbsp"`,
		inDiv + `a & b</div>`:                      "begins no entity",
		inDiv + `&#0;</div>`:                       `"#0"`,
		inDiv + `&#x110000;</div>`:                 `"#x110000"`,
		inDiv + `<script>x</script></div>`:         `"script" is not allowed`,
		inDiv + `<p onclick="x()">a</p></div>`:     `"onclick"`,
		inDiv + `<form action="x">a</form></div>`:  `"form"`,
		inDiv + `<iframe src="x">a</iframe></div>`: `"iframe"`,
		inDiv + `<a href=" java&#10;script:x">a</a></div>`:                   "active",
		inDiv + `<a href="JavaScript:x">a</a></div>`:                         "active",
		inDiv + `<p title="a" title="b">a</p></div>`:                         "twice",
		inDiv + `<p title=a>a</p></div>`:                                     "quotes",
		inDiv + `<p title="a<b">a</p></div>`:                                 "has a <",
		inDiv + `<p title="a"class="b">a</p></div>`:                          "well-formed",
		`<!DOCTYPE div [<!ENTITY a "b">]>` + inDiv + `&a;</div>`:             "document type",
		`<?xml version="1.0"?>` + inDiv + `a</div>`:                          "processing instruction",
		inDiv + `<!-- a -- b --> a</div>`:                                    "comment",
		inDiv + strings.Repeat("<span>", 200) + `a`:                          "deep",
		inDiv + `a ]]> b</div>`:                                              "]]>",
		inDiv + `< p>a</p></div>`:                                            "begins no element",
		`<h:div xmlns:h="http://www.w3.org/1999/xhtml">a</h:div>`:            "must be a div",
		inDiv + `<a href="x`:                                                 "does not end",
		inDiv + `<p`:                                                         "does not end",
		inDiv + `<p title`:                                                   "no value",
		inDiv + `<object data="x">` + strings.Repeat("x", 100) + `</object>`: `"object"`,
	} {
		if got, _ := XHTML([]byte(s)); !strings.Contains(got, want) || got == "" {
			t.Errorf("%s: got %q, want one with %q", s, got, want)
		}
	}
}

func TestXHTMLTakesLinearTime(t *testing.T) {
	start := time.Now()
	for _, piece := range []string{"<p>", "<p>a</p>", "&amp;", "&", "<!-- -->", `<p title="">a</p>`, "<", "]]>", `<p class='"'/>`} {
		XHTML([]byte(inDiv + strings.Repeat(piece, 1<<20/len(piece))))
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("got %v for 9 MB, want far less", d)
	}
}

func FuzzXHTML(f *testing.F) {
	f.Add(inDiv + `<p title='x'>a <b>b</b><br/>&#160;</p><!-- c --><![CDATA[x]]></div>`)
	f.Add(inDiv + `<a href="java script:x"/>`)
	f.Add(`<div xmlns="">&`)
	f.Fuzz(func(t *testing.T, s string) {
		if got, _ := XHTML([]byte(s)); got == "" && !strings.Contains(s, "<div") {
			t.Errorf("%q was accepted without a div", s)
		}
	})
}
