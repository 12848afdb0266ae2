package iomt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/codec/jmespath"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// one makes a mapping of one template of device content.
func one(t testing.TB, kind, members string) *Mapping {
	t.Helper()
	m, problems := Parse("x", []byte(`{"templateType":"CollectionContent","template":[{"templateType":"`+kind+`","template":{"typeName":"a",`+members+`}}]}`), []byte(noFHIR))
	if m == nil {
		t.Fatal(problems)
	}
	return m
}

const plainHR = `"typeMatchExpression":"$..[?(@hr)]","deviceIdExpression":"$.d","timestampExpression":"$.t","values":[{"valueName":"hr","valueExpression":"$.hr","required":true},{"valueName":"o","valueExpression":"$.o"}]`

// TestMeasure reads one message after the other. Refusals are written as
// position: reason.
func TestMeasure(t *testing.T) {
	const at = `"d":"x","t":"2026-01-31T12:00:00Z"`
	calculated := `"typeMatchExpression":"$..[?(@hr)]","deviceIdExpression":"$.Body.d","timestampExpression":"$.Body.t","correlationIdExpression":"$.Body.c","values":[{"valueName":"hr","valueExpression":{"value":"$.matchedToken.hr","language":"jsonpath"}}]`
	for _, c := range []struct{ says, kind, members, message, want string }{
		{"a number", "JsonPathContent", plainHR, `{"hr":61,` + at + `}`, "a x 2026-01-31T12:00:00Z hr=61"},
		{"an optional value", "JsonPathContentTemplate", plainHR, `{"hr":61.50,"o":true,` + at + `}`, "a x 2026-01-31T12:00:00Z hr=61.50 o=True"},
		{"two matches", "jsonpathcontent", plainHR, `[{"hr":61,` + at + `},{"hr":62,` + at + `}]`, "a x 2026-01-31T12:00:00Z hr=61\na x 2026-01-31T12:00:00Z hr=62"},
		{"a null is missing", "JsonPathContent", plainHR, `{"hr":null,` + at + `}`, "a match 1: the value hr is missing: $.hr gives nothing"},
		{"a blank is missing", "JsonPathContent", plainHR, `{"hr":" ",` + at + `}`, "a match 1: the value hr is missing: $.hr gives nothing"},
		{"no device", "JsonPathContent", plainHR, `{"hr":1,"t":"2026-01-31T12:00:00Z"}`, "a match 1: the device id is missing: $.d gives nothing"},
		{"no time", "JsonPathContent", plainHR, `{"hr":1,"d":"x"}`, "a match 1: the time is missing: $.t gives nothing"},
		{"a number for a time", "JsonPathContent", plainHR, `{"hr":1,"d":"x","t":1700000000}`, "a match 1: the time is a number; fromUnixTimestamp or fromUnixTimestampMs (JmesPath) makes a time of it"},
		{"no time at all", "JsonPathContent", plainHR, `{"hr":1,"d":"x","t":"today"}`, "a match 1: the time is not one like 2026-01-31T12:00:00Z"},
		{"an object for a value", "JsonPathContent", plainHR, `{"hr":{"v":1},` + at + `}`, "a match 1: the value hr: $.hr gives an object, not one value"},
		{"one bad sibling", "JsonPathContent", plainHR, `[{"hr":61},{"hr":62,` + at + `}]`, "a x 2026-01-31T12:00:00Z hr=62\na match 1: the device id is missing: $.d gives nothing"},
		{"another message", "JsonPathContent", plainHR, `{"x":1}`, ""},
		{"not JSON", "JsonPathContent", plainHR, "{\n\"hr\":", "line 2 column 6: not JSON: the text ends where a value should be"},
		{"a bare number", "JsonPathContent", plainHR, `5`, "the message is neither an object nor an array"},
		{"several values", "JsonPathContent", strings.Replace(plainHR, `"$.hr"`, `"$.hr[*]"`, 1), `{"hr":[1,2],` + at + `}`, "a match 1: the value hr: $.hr[*] leads to 2 values; want one"},
		{"the whole message beside the match", "CalculatedContent", calculated, `{"Body":{"c":"c1","l":[{"hr":61}],` + at + `}}`, "a x 2026-01-31T12:00:00Z correlation c1 hr=61"},
		{"the correlation is required", "CalculatedContent", calculated, `{"Body":{"l":[{"hr":61}],` + at + `}}`, "a match 1: the correlation id is missing: $.Body.c gives nothing"},
		{"a message without its envelope", "CalculatedContent", strings.ReplaceAll(calculated, "$.Body.", "$."), `{"c":1,"hr":61,` + at + `}`, "a x 2026-01-31T12:00:00Z correlation 1 hr=61"},
		{"JMESPath gives one match", "CalculatedContent",
			`"defaultExpressionLanguage":"JmesPath","typeMatchExpression":"Body.m","deviceIdExpression":"matchedToken.d","timestampExpression":"fromUnixTimestampMs(matchedToken.t)","values":[{"valueName":"hr","valueExpression":"divide(matchedToken.hr, ` + "`50`" + `)"}]`,
			`{"m":{"hr":40,"d":"x","t":1769860800500}}`, "a x 2026-01-31T12:00:00.5Z hr=0.8"},
		{"a function that fails", "CalculatedContent",
			`"defaultExpressionLanguage":"JmesPath","typeMatchExpression":"Body.m","deviceIdExpression":"matchedToken.d","timestampExpression":"fromUnixTimestamp(matchedToken.t)"`,
			`{"m":{"d":"x","t":"now"}}`, "a match 1: the time: fromUnixTimestamp: argument 1 should be an integer"},
	} {
		t.Run(c.says, func(t *testing.T) {
			found, refused := one(t, c.kind, c.members).Measure([]byte(c.message))
			lines := []string{}
			if len(found) > 0 {
				lines = append(lines, show(found))
			}
			for i := range refused {
				lines = append(lines, refused[i].Error())
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestBomb asks that a message cannot make calculated content look at it for
// ever.
func TestBomb(t *testing.T) {
	m := one(t, "CalculatedContent", `"typeMatchExpression":"$..[?(@hr)]","deviceIdExpression":"$..d","timestampExpression":"$..t"`)
	_, refused := m.Measure([]byte("[" + strings.Repeat(`{"hr":1},`, 20_000) + `{"hr":1}]`))
	if n := len(refused); n == 0 || !strings.Contains(refused[n-1].Reason, "too large") {
		t.Errorf("%d refusals", n)
	}
}

// TestTimes reads the forms that times come in.
func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-31T12:00:00Z": "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.1234567Z": "2026-01-31T12:00:00.123456Z",
		"2026-01-31T12:00:00+02:00": "2026-01-31T10:00:00Z", "2026-01-31T12:00:00": "2026-01-31T12:00:00Z",
		"2026-01-31 12:00:00": "2026-01-31T12:00:00Z", "2026-01-31": "2026-01-31T00:00:00Z", "01/31/2026 12:00:00": "2026-01-31T12:00:00Z",
		"Sat, 31 Jan 2026 12:00:00 GMT": "2026-01-31T12:00:00Z", "2026-01-31T12:00Z": "2026-01-31T12:00:00Z",
	} {
		if at, err := readTime(text); err != nil || at.String() != want {
			t.Errorf("%s: got %v, %v", text, at, err)
		}
	}
}

// TestFunctions evaluates the functions that the connector adds. Results are
// those of the tables in that project's Microsoft.Health.Expressions.UnitTests.
func TestFunctions(t *testing.T) {
	for expr, want := range map[string]string{
		"add(`1`, `2`)": `3`, "add(`1.5`, `2`)": `3.5`, "subtract(`1`, `2`)": `-1`, "multiply(`3`, `0.5`)": `1.5`,
		"divide(`100`, `25`)": `4`, "divide(`100`, `-1`)": `-100`, "divide(`40`, `50`)": `0.8`, "divide(`0`, `9223372036854775807`)": `0`,
		"divide(`1`, `0`)": `division by zero`, "divide(`100`, `25.0`)": `4`, "pow(`2`, `10`)": `1024`, "pow(`2`, `-1`)": `0.5`, "pow(`4`, `0.5`)": `2`,
		"insertString('myString', '!!', `8`)": `"myString!!"`, "insertString('ppy', 'ha', `0`)": `"happy"`, "insertString('suess', 'cc', `2`)": `"success"`,
		"insertString('sample ', 'text', length('sample '))": `"sample text"`, "insertString('myString', '!!', `9`)": `position 9 is outside`,
		"insertString('ppy', 'ha', `-1`)": `outside`, "insertString(`6`, 'v', `0`)": `should be texts`, "insertString('t', 'i', `1.5`)": `should be an integer`,
		"fromUnixTimestamp(`0`)": `"1970-01-01T00:00:00Z"`, "fromUnixTimestamp(`1625677200`)": `"2021-07-07T17:00:00Z"`, "fromUnixTimestamp(`-1`)": `"1969-12-31T23:59:59Z"`,
		"fromUnixTimestampMs(`1625677200123`)": `"2021-07-07T17:00:00.123Z"`, "fromUnixTimestamp('x')": `should be an integer`, "fromUnixTimestamp(`999999999999999`)": `outside of the years`,
		"add('1', `2`)": `argument 1 is a string`, "add(`9223372036854775807`, `1`)": `9.22337203685478e+18`, "add(`1`)": `takes 2 arguments`, "multiply(`1`, `2`, `3`)": `takes 2`,
		"multiply(`1e308`, `10`)": `not a number`, "multiply(`78`, `0.0254`)": `1.9812`, "divide(`-9223372036854775808`, `-1`)": `9.22337203685478e+18`,
	} {
		got := ""
		e, err := jmespath.Parse(expr, functions()...)
		if err == nil {
			var v *jsontree.Value
			if v, err = e.Search(&jsontree.Value{}); err == nil {
				got = v.JSON()
			}
		}
		if err != nil {
			if got = err.Error(); strings.Contains(got, want) {
				continue
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// TestDecode makes readings and events, device by device.
func TestDecode(t *testing.T) {
	m := pairOf(t, `{"templateType":"CollectionContent","template":[
	 {"templateType":"JsonPathContent","template":{"typeName":"bodyTemp","typeMatchExpression":"$..[?(@v)]","deviceIdExpression":"$.d","timestampExpression":"$.t",
	  "patientIdExpression":"$.p","values":[{"valueName":"temp","valueExpression":"$.v"}]}},
	 {"templateType":"JsonPathContent","template":{"typeName":"note","typeMatchExpression":"$..[?(@n)]","deviceIdExpression":"$.d","timestampExpression":"$.t",
	  "values":[{"valueName":"text","valueExpression":"$.n"}]}}]}`,
		`{"templateType":"CollectionFhir","template":[
	 {"templateType":"CodeValueFhir","template":{"typeName":"bodyTemp","codes":[{"code":"8310-5","system":"http://loinc.org","display":"Body temperature"}],
	  "value":{"valueType":"Quantity","valueName":"temp","unit":"degC"}}},
	 {"templateType":"CodeValueFhir","template":{"typeName":"note","codes":[],"value":{"ValueType":"string","valueName":"text"}}}]}`)
	p, problems := ReadFolder(devices.Folder{Name: "home", Files: map[string][]byte{DeviceFile: m[0], FHIRFile: m[1]}})
	if p == nil {
		t.Fatal(problems)
	}
	got := devices.Try(p, "", []byte(`[{"v":"36.60","d":"b","p":"Ida","t":"2026-01-31T12:00:00Z"},{"v":37,"d":"a","t":"2026-01-31T12:00:01Z"},
		{"n":"hello \"you\"","d":"b","p":"Ida","t":"2026-01-31T12:00:02Z"},{"v":"warm","d":"a","t":"2026-01-31T12:00:03Z"}]`))
	want := `readings [{body-temp 37 Cel 2026-01-31T12:00:01Z} {body-temp 36.60 Cel 2026-01-31T12:00:00Z}] events [{note {"type":"note","values":{"text":"hello \"you\""}} 2026-01-31T12:00:02Z}]` +
		` speakers [{a  1 0 0} {b  0 0 1} {b Ida 1 0 0}] refused bodyTemp/temp: the value is not a number`
	text := "readings ["
	for i, r := range got.Readings {
		text += strings.Repeat(" ", min(i, 1)) + fmt.Sprintf("{%s %s %s}", r.Name, r.Text, r.Time)
	}
	text += "] events ["
	for _, e := range got.Events {
		text += fmt.Sprintf("{%s %s %s}", e.Name, e.Text, e.Time)
	}
	text += fmt.Sprintf("] speakers %v refused %s", got.Speakers, got.Refusals[0].Error())
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if len(p.Metrics()) != 1 || p.EventTypes()[0] != "note" || p.Decoder() == nil || p.Name != "home" {
		t.Errorf("profile %+v", p.Info())
	}
}

func pairOf(t *testing.T, content, fhir string) [2][]byte {
	t.Helper()
	return [2][]byte{[]byte(content), []byte(fhir)}
}

// TestReadFolder asks what becomes of folders that are no pair.
func TestReadFolder(t *testing.T) {
	content, fhir := []byte(`{"templateType":"CollectionContent","template":[]}`), []byte(noFHIR)
	for _, c := range []struct {
		folder devices.Folder
		want   string
	}{
		{devices.Folder{Name: "other", Files: map[string][]byte{"x.json": content}}, ""},
		{devices.Folder{Name: "half", Files: map[string][]byte{DeviceFile: content}}, "half/fhirmapping.json: the file is missing"},
		{devices.Folder{Name: "half", Files: map[string][]byte{FHIRFile: fhir}}, "half/devicecontent.json: the file is missing"},
		{devices.Folder{Name: "bad", Files: map[string][]byte{DeviceFile: []byte(`{`), FHIRFile: fhir}}, "bad/devicecontent.json: line 1 column 2: not JSON"},
		{devices.Folder{Name: "a b", Files: map[string][]byte{DeviceFile: content, FHIRFile: fhir}}, "cannot be the name"},
	} {
		p, problems := ReadFolder(c.folder)
		all := fmt.Sprint(problems)
		if p != nil || c.want == "" && len(problems) > 0 || !strings.Contains(all, c.want) {
			t.Errorf("%s: %v %v", c.folder.Name, p, problems)
		}
	}
}

// TestUnits asks that the words of mappings become UCUM.
func TestUnits(t *testing.T) {
	for text, want := range map[string]string{
		"count/min": "/min", "bpm": "/min", "mmHg": "mm[Hg]", "degC": "Cel", "": "1", "count": "1", "%": "%", "kg": "kg", "mg/dL": "mg/dL",
		"dB(SPL)": "dB[SPL]", "furlongs per night": "{furlongspernight}", "{x}": "{x}", "ms": "ms", "{beats}/min": "/min",
	} {
		if got := unitOf(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzMeasure(f *testing.F) {
	m := one(f, "JsonPathContent", plainHR)
	f.Add([]byte(`{"Body":[{"hr":1,"d":"x","t":"2026-01-31T12:00:00Z"}]}`))
	f.Add([]byte(`{"hr":"1e400","d":{},"t":[]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var d devices.Decoded
		m.Decode(&d, "", payload)
		n := 0
		for _, s := range d.Speakers {
			n += s.Readings
		}
		if n != len(d.Readings) || len(d.Readings)+len(d.Refusals)+len(d.Speakers) == 0 {
			t.Errorf("%d readings of speakers, %d in all, %d refusals", n, len(d.Readings), len(d.Refusals))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"templateType":"CollectionContent","template":[{"templateType":"JsonPathContent","template":{"typeName":"a",`+plainHR+`}}]}`), []byte(noFHIR))
	f.Add([]byte(`{"TemplateType":"collectioncontenttemplate",'template':[],}`), []byte(`{"templateType":"CollectionFhir","template":[{"templateType":"CodeValueFhir","template":{"typeName":"a","codes":[{}],"value":{"valueType":"SampledData"}}}]}`))
	f.Fuzz(func(t *testing.T, content, fhir []byte) {
		m, problems := Parse("x", content, fhir)
		if m == nil && len(problems) == 0 {
			t.Error("refused without a reason")
		}
		if m != nil {
			m.Native()
		}
	})
}

// BenchmarkDecode reads a heart rate with the six templates of the basic sample.
func BenchmarkDecode(b *testing.B) {
	dir := filepath.Join(suiteDir(b), "sample", "templates", "basic")
	content, errA := os.ReadFile(filepath.Join(dir, DeviceFile))
	fhir, errB := os.ReadFile(filepath.Join(dir, FHIRFile))
	m, problems := Parse("basic", content, fhir)
	if m == nil {
		b.Fatal(errA, errB, problems)
	}
	payload := []byte(`{"heartrate":"78","measurementdatetime":"2019-02-01T22:46:01.8750000Z","deviceid":"device123","patientid":"p1"}`)
	var d devices.Decoded
	b.ReportAllocs()
	for b.Loop() {
		d.Readings, d.Events, d.Speakers, d.Refusals = d.Readings[:0], d.Events[:0], d.Speakers[:0], d.Refusals[:0]
		m.Decode(&d, "", payload)
	}
	if len(d.Readings) != 1 {
		b.Errorf("%d readings, %v", len(d.Readings), d.Refusals)
	}
}
