package xmlform

import (
	"errors"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func TestJSON(t *testing.T) {
	const head = `<Patient xmlns="http://hl7.org/fhir"`
	for _, c := range []struct{ name, in, want string }{
		{"nothing in it", head + `/>`, `{"resourceType":"Patient"}`},
		{"declaration, comment, instruction, prefix",
			"\ufeff<?xml version='1.0' encoding='utf-8'?><!-- x --><?y z?><f:Patient xmlns:f=\"http://hl7.org/fhir\"><f:active value='true'/></f:Patient>\n",
			`{"resourceType":"Patient","active":true}`},
		{"schema location", head + ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"/>`, `{"resourceType":"Patient"}`},
		{"ids and extensions of primitives",
			head + `><id value="1"/><birthDate id="b" value="2000"><extension url="u"><valueDecimal value="1.50"/></extension></birthDate></Patient>`,
			`{"resourceType":"Patient","id":"1","birthDate":"2000","_birthDate":{"id":"b","extension":[{"url":"u","valueDecimal":1.50}]}}`},
		{"holes in lists", head + `><name><given value="a"/><given id="x"/><given value="c"/></name></Patient>`,
			`{"resourceType":"Patient","name":[{"given":["a",null,"c"],"_given":[null,{"id":"x"},null]}]}`},
		{"out of order", head + `><name><text value="1"/></name><active value="true"/><name><text value="2"/></name></Patient>`,
			`{"resourceType":"Patient","name":[{"text":"1"},{"text":"2"}],"active":true}`},
		{"what is no number stays for validation to refuse", head + `><active value="yes"/><multipleBirthInteger value="+1"/></Patient>`,
			`{"resourceType":"Patient","active":"yes","multipleBirthInteger":"+1"}`},
		{"references in values", head + `><id value="&lt;&#x41;&amp;&#10;&quot;"/></Patient>`, `{"resourceType":"Patient","id":"<A&\n\""}`},
		{"contained", head + `><contained><Patient><id value="c"/></Patient></contained></Patient>`,
			`{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"c"}]}`},
		{"narrative", head + `><text><status value="empty"/><div xmlns="http://www.w3.org/1999/xhtml" >a&#160;<br  />b</div></text></Patient>`,
			`{"resourceType":"Patient","text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" >a&#160;<br  />b</div>"}}`},
		{"narrative with a language and a prefix that is not used", head + `><text><div xmlns="http://www.w3.org/1999/xhtml" xmlns:x="y" xml:lang='de'><p/></div></text><active value="true"/></Patient>`,
			`{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:x=\"y\" xml:lang='de'><p/></div>"},"active":true}`},
		{"narrative with a namespace from outside", `<p:Patient xmlns:p="http://hl7.org/fhir" xmlns="http://www.w3.org/1999/xhtml"><p:text><div><p xml:lang="de"/></div></p:text></p:Patient>`,
			`{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p xml:lang=\"de\"/></div>"}}`},
		{"narrative with a prefix", head + ` xmlns:h="http://www.w3.org/1999/xhtml"><text><h:div><h:a href="x">1 &lt; 2</h:a><h:br/></h:div></text></Patient>`,
			`{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"x\">1 &lt; 2</a><br/></div>"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := JSON(schema.R4(), []byte(c.in))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestJSONRefused(t *testing.T) {
	in := func(s string) string { return `<Patient xmlns="http://hl7.org/fhir">` + s + `</Patient>` }
	laughs := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><Patient xmlns="http://hl7.org/fhir"><id value="&lol2;"/></Patient>`
	deep := strings.Repeat("<a>", 101)
	for _, c := range []struct{ in, want string }{
		{"", "line 1, column 1: the document has no element"},
		{laughs, "line 1, column 22: document type declarations and their entities are refused"},
		{`<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>`, "line 1, column 1: document type declarations"},
		{in(`<id value="&xxe;"/>`), "Patient.id: the entity &xxe; is not one of the five of XML"},
		{in(`<id value="&#0;"/>`), "&#0; is no character of XML"},
		{in(`<id value="&#xD800;"/>`), "&#xD800; is no character of XML"},
		{in(`<id value="&#+65;"/>`), "&#+65; is no character of XML"},
		{in("<id value=\"\x01\"/>"), "the character U+0001 has no place in XML"},
		{in("<id value=\"\xff\"/>"), "byte 0xff is not UTF-8"},
		{deep, "more than 100 elements within each other"},
		{`<a xmlns:b="c"><b:x d:e=""/></a>`, `line 1, column 21: a.x: the prefix "d:" is not declared`},
		{`<a b="1" b="2"/>`, `the attribute "b" is there twice`},
		{`<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>`, `the attribute "y:b" is there twice`},
		{`<a b="<"/>`, `< in the value of "b"`},
		{`<a>]]></a>`, "]]> in a text"},
		{`<a><b></a></b>`, "the end tag </a> where </b> should be"},
		{`<a>`, "the document ends within an element"},
		{`<a/><b/>`, "a second element beside the document's element"},
		{`x<a/>`, "text outside of the document's element"},
		{`<a><!-- a -- b --></a>`, "-- within a comment"},
		{`<?xml version="1.0" encoding="utf-16"?><a/>`, `the encoding "utf-16"; only UTF-8 is read`},
		{"<?xml version='1.0'\n\tencoding = 'latin1'?><a/>", `the encoding "latin1"; only UTF-8 is read`},
		{` <?xml version="1.0"?><a/>`, "an XML declaration that is not at the start"},
		{`<Patient/>`, "the element Patient is not in the namespace http://hl7.org/fhir"},
		{`<Foo xmlns="http://hl7.org/fhir"/>`, `"Foo" is no type of resource`},
		{`<DomainResource xmlns="http://hl7.org/fhir"/>`, `"DomainResource" is no type of resource`},
		{in(`<foo value="1"/>`), `line 1, column 38: Patient.foo: the element "foo" is unknown in Patient`},
		{in(`<active value="true" foo="1"/>`), `the attribute "foo" is unknown here`},
		{in(`<active value="true">x</active>`), "column 59: Patient.active: text between elements"},
		{in(`<active value="true"/><active value="true"/>`), "the element active is there 2 times"},
		{in(`<active/>`), "an element with neither a value nor an id or extension"},
		{in(`<active value="true"><foo/></active>`), `the element "foo" is unknown in boolean`},
		{in(`<contained/>`), "no resource in the element"},
		{in(`<contained><Patient/><Patient/></contained>`), "a second resource in one element"},
		{in(`<text><div>x</div></text>`), "the narrative is not in the namespace http://www.w3.org/1999/xhtml"},
		{in(`<x:active xmlns:x="y" value="true"/>`), "the element active is not in the namespace"},
	} {
		_, _, err := JSON(schema.R4(), []byte(c.in))
		var e *tree.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %s", c.in, err, c.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	json, places, err := JSON(schema.R4(), []byte("<Patient xmlns=\"http://hl7.org/fhir\">\n  <active value=\"true\"/>\n  <name>\n    <given value=\"a\"/>\n    <given value=\"b\"/>\n  </name>\n</Patient>"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := tree.Parse(json)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[tree.Node][2]int{
		d.Root():               {1, 1},
		d.Root().Get("active"): {2, 3},
		d.Root().Get("name").At(0).Get("given").At(1): {5, 5},
	} {
		if line, col := places.Pos(n.Offset()); [2]int{line, col} != want {
			t.Errorf("%s: got %d:%d, want %v", n.Path(), line, col, want)
		}
	}
}

func TestXML(t *testing.T) {
	const head = `<Patient xmlns="http://hl7.org/fhir"`
	for _, c := range []struct{ name, in, want string }{
		{"order of the definition", `{"name":[{"given":["a"],"family":"b"}],"resourceType":"Patient","id":"1"}`,
			head + `><id value="1"/><name><family value="b"/><given value="a"/></name></Patient>`},
		{"escapes", `{"resourceType":"Patient","id":"<&>\"'\n\r\té"}`, head + `><id value="&lt;&amp;&gt;&quot;'&#xA;&#xD;&#x9;é"/></Patient>`},
		{"holes", `{"resourceType":"Patient","name":[{"_given":[null,{"id":"x"}],"given":["a"]}]}`, head + `><name><given value="a"/><given id="x"/></name></Patient>`},
		{"url", `{"resourceType":"Patient","extension":[{"valueBoolean":true,"url":"u"}]}`, head + `><extension url="u"><valueBoolean value="true"/></extension></Patient>`},
		{"names of HTML in a narrative", `{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a&nbsp;&LT;&eacute;&amp;</div>"}}`,
			head + `><text><div xmlns="http://www.w3.org/1999/xhtml">a` + "\u00a0" + `&lt;é&amp;</div></text></Patient>`},
		{"a narrative without its namespace", `{"resourceType":"Patient","text":{"div":"<div>a</div>"}}`,
			head + `><text><div xmlns="http://www.w3.org/1999/xhtml">a</div></text></Patient>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := tree.Parse([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := XML(schema.R4(), d.Root(), false)
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestXMLRefused(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `"" is no type of resource`},
		{`[]`, `"" is no type of resource`},
		{`{"resourceType":"Patient","foo":1}`, `line 1, column 33: foo: the member "foo" is unknown in Patient`},
		{`{"resourceType":"Patient","_name":[]}`, `the member "_name" is unknown`},
		{`{"resourceType":"Patient","name":["x"]}`, "name[0]: string where an object should be"},
		{`{"resourceType":"Patient","active":[true]}`, "an array where one value should be"},
		{`{"resourceType":"Patient","active":{}}`, "object where a primitive value should be"},
		{`{"resourceType":"Patient","active":null}`, "null that has no extension"},
		{`{"resourceType":"Patient","id":"\uffff"}`, "a character that XML does not have"},
		{`{"resourceType":"Patient","text":{"div":"<div"}}`, "the narrative cannot be written as XML"},
		{`{"resourceType":"Patient","text":{"div":"<script xmlns=\"http://www.w3.org/1999/xhtml\"/>"}}`, "the narrative is no div of XHTML"},
		{`{"resourceType":"Patient","text":{"div":1}}`, "a narrative that is no string"},
	} {
		d, err := tree.Parse([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		_, err = XML(schema.R4(), d.Root(), false)
		var e *tree.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %s", c.in, err, c.want)
		}
	}
}

// FuzzJSON reads anything; what is taken comes back from XML the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`<Patient xmlns="http://hl7.org/fhir"><id value="1"/><birthDate id="b" value="2000"><extension url="u"><valueDecimal value="1.50"/></extension></birthDate></Patient>`,
		`<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource><Patient><name><given value="a"/><given id="x"/></name></Patient></resource></entry></Bundle>`,
		`<Basic xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">a&#160;<br/></div></text></Basic>`,
		`<!DOCTYPE a><a/>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<14 {
			return
		}
		json, _, err := JSON(schema.R4(), src)
		if err != nil {
			return
		}
		d, err := tree.Parse(json)
		if err != nil {
			if strings.Contains(err.Error(), "within each other") {
				return
			}
			t.Fatalf("%q became %q: %v", src, json, err)
		}
		xml, err := XML(schema.R4(), d.Root(), false)
		if err != nil {
			t.Fatalf("%q became %q: %v", src, json, err)
		}
		again, _, err := JSON(schema.R4(), xml)
		d2, err2 := tree.Parse(again)
		if err != nil || err2 != nil || !tree.Equal(d.Root(), d2.Root()) {
			t.Fatalf("%q became %q, then %q: %v %v", src, json, again, err, err2)
		}
	})
}
