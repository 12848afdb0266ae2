package devices

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// update rewrites the golden files of this package.
//
//nolint:gochecknoglobals // a test flag
var update = flag.Bool("update", false, "rewrite golden files")

// golden compares a text with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run go test ./devices -update and look at the difference.\ngot:\n%s", file, got)
	}
}

func TestBadProfilesPrintTheirProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no bad profiles", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".bad.yaml") + ".yaml"
		p, problems := Parse(name, text)
		if p != nil {
			problems = append(problems, p.Check()...)
		}
		if len(problems) == 0 {
			t.Errorf("%s has no problems", file)
		}
		var b strings.Builder
		for _, problem := range problems {
			b.WriteString(problem.String() + "\n")
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".txt", b.String())
	}
}

func TestFirmwareRange(t *testing.T) {
	p := parse(t, strings.Replace(benchProfile, "codec: json", "codec: json\nfirmware: \">=1.0 <3\"", 1))
	for version, want := range map[string]bool{
		"": true, "1.0": true, "v2.9.1": true, "3": false, "3.0": false, "0.9.9": false, "beta": false, "2.0.0-rc1+7": true,
	} {
		if got := p.FirmwareVerified(version); got != want {
			t.Errorf("FirmwareVerified(%q) = %v", version, got)
		}
	}
}

func TestConditions(t *testing.T) {
	var d Decoded
	if err := d.doc.Parse([]byte(`{"s": "on", "n": 5, "z": 0, "t": true, "f": false, "x": null, "a": {"b": [1]}}`)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`$.s == "on"`: true, `$.s == 'off'`: false, `$.s != "off"`: true, `$.no != "off"`: false,
		`$.n > 4 and $.n <= 5`: true, `$.n < 5 or $.z == 0`: true, `not $.t`: false, `$.t`: true, `$.f`: false, `$.x`: false,
		`$.z`: true, `$.x == null`: true, `$.no == null`: false, `$.n & 4`: true, `$.n & 2`: false, `$.n in [1, 5]`: true,
		`$.s in ["off", "on"]`: true, `not ($.t and $.f)`: true, `$.a.b[0] == 1`: true, `$.s > 3`: false, `$.t == true`: true,
		`$.a == 1`: false, `$.f == false and not $.t == false`: true, `$.n >= 5`: true,
	} {
		c, err := parseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.holds(&d.doc, 0); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
	for _, text := range []string{"", "$.a =", "$.a == ", "$.a == on", "a == 1", "($.a", "$.a and", "$.a in 1", "$.l[*] == 1", `$.a > "x"`, "$.a $.b", strings.Repeat("(", 40)} {
		if _, err := parseCondition(text); err == nil {
			t.Errorf("%q is a condition", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(benchProfile))
	f.Add([]byte("profile: a\nreadings: [{metric: x, unit: {path: $.u}}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, problems := Parse("-.yaml", text)
		if (p == nil) != (len(problems) > 0) {
			t.Fatalf("profile %v with problems %v", p, problems)
		}
		if p != nil {
			p.Check()
		}
	})
}

func TestAProfileBringsItsOwnCodes(t *testing.T) {
	text := strings.Replace(benchProfile, "{loinc: 9279-1}", "{loinc: 33438-3}", 1)
	if got := parse(t, text).Check(); len(got) != 1 || !strings.Contains(got[0].Msg, "loinc:33438-3 is not in Vigil's table") {
		t.Error(got)
	}
	own := "\ncodes: [{loinc: 33438-3, display: Breath rate mechanical --on ventilator, unit: /min}]\ncodec: json\n"
	p := parse(t, strings.Replace(text, "\ncodec: json\n", own, 1))
	if got := p.Check(); len(got) > 0 {
		t.Error(got)
	}
	if got := p.metrics[2].Codes[0].Display; got != "Breath rate mechanical --on ventilator" {
		t.Errorf("display %q", got)
	}
}

func TestSchemaIsThatOfTheReader(t *testing.T) {
	b, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.json", string(b))
}
