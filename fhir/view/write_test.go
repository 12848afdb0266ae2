package view_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/view"
)

var parquetTo = flag.String("parquet", "", "keep the Parquet file of the test under this name")

const sample = `{"resource":"Observation","name":"obs","select":[{"column":[
{"name":"id","path":"getResourceKey()","type":"id"},
{"name":"patient","path":"subject.getReferenceKey(Patient)","type":"id"},
{"name":"value","path":"value.ofType(Quantity).value","type":"decimal"},
{"name":"issued","path":"issued","type":"instant"},
{"name":"high","path":"value.ofType(Quantity).value > 100","type":"boolean"},
{"name":"n","path":"note.count()","type":"integer"},
{"name":"note","path":"note.text","type":"string","collection":true}]}]}`

func parse(t testing.TB, text string) tree.Node {
	t.Helper()
	d, err := tree.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d.Root()
}

// observations are resources for the view.
func observations() []string {
	return []string{
		`{"resourceType":"Observation","id":"a","subject":{"reference":"Patient/p"},"issued":"2024-01-02T03:04:05.678+01:00","valueQuantity":{"value":120.50},"note":[{"text":"one, \"two\""},{"text":"three"}]}`,
		`{"resourceType":"Observation","id":"b","subject":{"reference":"Group/g"},"valueQuantity":{"value":70}}`,
		`{"resourceType":"Patient","id":"p"}`,
		`{"resourceType":"Observation","id":"c","note":[{"text":" lines\nof text"}]}`,
	}
}

func write(t testing.TB, v *view.View, w view.Writer, all []string) {
	t.Helper()
	for _, o := range all {
		for r, err := range v.Rows(parse(t, o), time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
}

func compile(t testing.TB, text string) *view.View {
	t.Helper()
	v, err := view.Compile(schema.R4(), parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestText(t *testing.T) {
	v := compile(t, sample)
	var nd, js, csv bytes.Buffer
	write(t, v, v.NDJSON(&nd), observations())
	write(t, v, v.JSON(&js), observations())
	write(t, v, v.CSV(&csv, true), observations())
	const lines = `{"id":"a","patient":"p","value":120.50,"issued":"2024-01-02T03:04:05.678+01:00","high":true,"n":2,"note":["one, \"two\"","three"]}
{"id":"b","patient":null,"value":70,"issued":null,"high":false,"n":0,"note":[]}
{"id":"c","patient":null,"value":null,"issued":null,"high":null,"n":1,"note":[" lines\nof text"]}
`
	if nd.String() != lines {
		t.Errorf("NDJSON is\n%s", nd.String())
	}
	if want := "[\n" + strings.ReplaceAll(strings.TrimSpace(lines), "\n", ",\n") + "]\n"; js.String() != want {
		t.Errorf("JSON is\n%s", js.String())
	}
	const table = "id,patient,value,issued,high,n,note\r\n" +
		`a,p,120.50,2024-01-02T03:04:05.678+01:00,true,2,"[""one, \""two\"""",""three""]"` + "\r\n" +
		"b,,70,,false,0,\"[]\"\r\n" +
		`c,,,,,1,"["" lines\nof text""]"` + "\r\n"
	if csv.String() != table {
		t.Errorf("CSV is\n%s", csv.String())
	}
}

func TestFormats(t *testing.T) {
	v := compile(t, sample)
	for _, name := range []string{"ndjson", "json", "csv", "parquet", "text/csv; charset=utf-8", "Application/JSON"} {
		f, ok := view.FormatOf(name)
		if !ok {
			t.Fatalf("there is no format %q", name)
		}
		var b bytes.Buffer
		w, err := v.Writer(f, &b, true)
		if err != nil {
			t.Fatal(err)
		}
		if write(t, v, w, observations()); b.Len() == 0 {
			t.Errorf("%s wrote nothing", name)
		}
	}
	if _, ok := view.FormatOf("xml"); ok {
		t.Error("xml is a format")
	}
}

// TestParquet compares with a file that other software has read.
func TestParquet(t *testing.T) {
	v := compile(t, sample)
	var b bytes.Buffer
	w, err := v.Parquet(&b)
	if err != nil {
		t.Fatal(err)
	}
	write(t, v, w, observations())
	if *parquetTo != "" {
		if err := os.WriteFile(*parquetTo, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/sample.parquet")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("the file is not what it was; when that is meant, write it with -parquet and try it with other software")
	}
}

// TestParquetRefuses checks that nothing is lost in silence.
func TestParquetRefuses(t *testing.T) {
	for _, c := range []string{
		`{"name":"x","path":"id","type":"integer"}`, `{"name":"x","path":"id","type":"boolean"}`,
		`{"name":"x","path":"id","type":"decimal"}`, `{"name":"x","path":"id","type":"instant"}`,
	} {
		v := compile(t, `{"resource":"Observation","select":[{"column":[`+c+`]}]}`)
		w, err := v.Parquet(&bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		for r := range v.Rows(parse(t, observations()[0]), time.Time{}) {
			if w.Write(r) == nil {
				t.Errorf("%s was written", c)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`[]`, "object"},
		{`{"resource":"Nonsense"}`, `no resource "Nonsense"`},
		{`{"resource":"Patient"}`, "select: is missing"},
		{`{"resource":"Patient","select":[{"column":[{"name":"a b","path":"id"}]}]}`, "select[0].column[0].name"},
		{`{"resource":"Patient","select":[{"column":[{"name":"a","path":"id("}]}]}`, "select[0].column[0].path: character"},
		{`{"resource":"Patient","select":[{"column":[{"name":"a","path":"id"},{"name":"a","path":"id"}]}]}`, "two columns"},
		{`{"resource":"Patient","select":[{"forEach":"name","repeat":["name"]}]}`, "more than one of"},
		{`{"resource":"Patient","constant":[{"name":"x","valueString":"a"},{"name":"x","valueString":"b"}],"select":[{}]}`, "%x is there already"},
		{`{"resource":"Patient","constant":[{"name":"x","valueQuantity":{}}],"select":[{}]}`, "primitive"},
		{`{"resource":"Patient","select":[{"column":[{"name":"a","path":"id","type":"HumanName"}]}]}`, "not a primitive type"},
	} {
		_, err := view.Compile(schema.R4(), parse(t, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

// TestRowsAreBounded runs views that would give endless rows.
func TestRowsAreBounded(t *testing.T) {
	names := strings.Repeat(`{"family":"x"},`, 500) + `{}`
	in := parse(t, `{"resourceType":"Patient","name":[`+names+`]}`)
	loop := `{"forEach":"name","column":[{"name":"a%d","path":"family"}]}`
	var product []string
	for i := range 4 {
		product = append(product, fmt.Sprintf(loop, i))
	}
	for _, text := range []string{
		`{"resource":"Patient","select":[` + strings.Join(product, ",") + `]}`,
		`{"resource":"Patient","select":[{"repeat":["%resource"],"column":[{"name":"a","path":"id"}]}]}`,
		`{"resource":"Patient","select":[{"repeat":["iif($this is HumanName, %resource, name)"],"column":[{"name":"a","path":"id"}]}]}`,
		`{"resource":"Patient","select":[{"column":[{"name":"a","path":"name.select(%resource.name.select(%resource.name.select(1)))","collection":true}]}]}`,
	} {
		v := compile(t, text)
		var err error
		for _, e := range v.Rows(in, time.Time{}) {
			err = e
		}
		if err == nil {
			t.Errorf("%s came to an end", text)
		}
	}
}

func TestDoubts(t *testing.T) {
	v := compile(t, `{"resource":"Patient","select":[{"column":[{"name":"a","path":"nmae.family"}]}]}`)
	if len(v.Doubts) != 1 || !strings.Contains(v.Doubts[0], `"nmae"`) {
		t.Errorf("doubts are %q", v.Doubts)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(sample)
	f.Add(`{"resource":"Patient","constant":[{"name":"x","valueCode":"a"}],"where":[{"path":"active"}],"select":[{"forEachOrNull":"name","unionAll":[{"column":[{"name":"f","path":"family & %x"}]},{"repeat":["given"],"column":[{"name":"f","path":"$this"}]}]}]}`)
	in := `{"resourceType":"Patient","active":true,"name":[{"family":"x","given":["a","b"]},{"given":["c"]}]}`
	f.Fuzz(func(t *testing.T, text string) {
		d, err := tree.Parse([]byte(text))
		if err != nil {
			return
		}
		v, err := view.Compile(schema.R4(), d.Root())
		if err != nil {
			return
		}
		for r, err := range v.Rows(parse(t, in), time.Unix(0, 0)) {
			if err == nil && len(r) != len(v.Columns) {
				t.Errorf("%d values in %d columns", len(r), len(v.Columns))
			}
			if err == nil {
				if _, err := tree.Parse(v.AppendJSON(nil, r)); err != nil {
					t.Errorf("row is no JSON: %v", err)
				}
			}
		}
	})
}
