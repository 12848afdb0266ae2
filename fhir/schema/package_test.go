package schema

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// file is one entry of a test package.
type file struct {
	name, text string
	kind       byte
}

func tgz(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o600, Size: int64(len(f.text)), Typeflag: tar.TypeReg}
		if f.kind != 0 {
			h.Typeflag, h.Size, h.Linkname = f.kind, 0, f.text
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, f.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const manifest = `{"name":"test.guide","version":"1.2.3","fhirVersions":["4.0.1"],"dependencies":{"hl7.fhir.r4.core":"4.0.1"}}`

func TestReadPackage(t *testing.T) {
	p, err := ReadPackage(bytes.NewReader(tgz(t,
		file{name: "package/package.json", text: manifest},
		file{name: "package/.index.json", text: `{"files":[]}`},
		file{name: "package/CodeSystem-a.json", text: `{"resourceType":"CodeSystem","url":"http://example.org/a","version":"1","content":"complete","concept":[{"code":"x"}]}`},
		file{name: "package/Patient-a.json", text: `{"resourceType":"Patient"}`},
		file{name: "package/example/CodeSystem-b.json", text: `{"resourceType":"CodeSystem","url":"http://example.org/b"}`},
		file{name: "package/../../../etc/CodeSystem-c.json", text: `{"resourceType":"CodeSystem","url":"http://example.org/c"}`},
		file{name: "/etc/CodeSystem-d.json", text: `{"resourceType":"CodeSystem","url":"http://example.org/d"}`},
		file{name: "package/CodeSystem-e.json", text: "/etc/passwd", kind: tar.TypeSymlink},
		file{name: "package/CodeSystem-f.json", text: `{"resourceType":"CodeSystem",`},
		file{name: "package/SearchParameter-g.json", text: `{"resourceType":"SearchParameter","url":"http://example.org/g","code":"shoe","type":"number","base":["Patient"],"expression":"Patient.extension('http://example.org/shoe').value"}`},
		file{name: "package/SearchParameter-h.json", text: `{"resourceType":"SearchParameter","url":"http://example.org/h"}`},
	)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "test.guide" || p.Version != "1.2.3" || !slices.Equal(p.Depends, []string{"hl7.fhir.r4.core#4.0.1"}) {
		t.Errorf("got %+v", p)
	}
	if len(p.Skipped) != 2 {
		t.Errorf("skipped %v", p.Skipped)
	}
	s, err := R4().With(p)
	if err != nil {
		t.Fatal(err)
	}
	if cs := s.CodeSystem("http://example.org/a"); cs == nil || cs.Concept("x") == nil {
		t.Error("the code system is not there")
	}
	for _, c := range "bcdef" {
		if s.Definition("CodeSystem", "http://example.org/"+string(c)) != nil {
			t.Errorf("%c was read", c)
		}
	}
	if p := s.Param("Patient", "shoe"); p == nil || R4().Param("Patient", "shoe") != nil {
		t.Error("the parameter is not where it belongs")
	}
	if _, err := s.With(p); err == nil {
		t.Error("the same package twice was taken")
	}
}

func TestRefusedPackages(t *testing.T) {
	most := limits{all: 1 << 20, one: 200 << 10, files: 100}
	bomb := tgz(t, file{name: "package/package.json", text: manifest}, file{name: "package/bomb.json", text: strings.Repeat(" ", 200<<10+1)})
	many := make([]file, 102)
	for i := range many {
		many[i].name = "x"
	}
	// Files that are each small enough, and together too large.
	parts := []file{{name: "package/package.json", text: manifest}}
	for range 10 {
		parts = append(parts, file{name: "other/x", text: strings.Repeat(" ", 200<<10)})
	}
	for name, b := range map[string][]byte{
		"nothing":        nil,
		"text":           []byte("hello"),
		"no manifest":    tgz(t, file{name: "package/a.json", text: `{}`}),
		"bad manifest":   tgz(t, file{name: "package/package.json", text: `{`}),
		"another FHIR":   tgz(t, file{name: "package/package.json", text: `{"name":"x","fhirVersions":["5.0.0"]}`}),
		"a large file":   bomb,
		"too many files": tgz(t, many...),
		"too much":       tgz(t, parts...),
		"cut off":        bomb[:len(bomb)/2],
	} {
		if _, err := readPackage(bytes.NewReader(b), most); !errors.Is(err, ErrPackage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadPackage(f *testing.F) {
	f.Add(tgz(f, file{name: "package/package.json", text: manifest}, file{name: "package/a.json", text: `{"resourceType":"ValueSet","url":"a"}`}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadPackage(bytes.NewReader(b))
		if err == nil && p.Name == "" {
			t.Error("a package without a name")
		}
	})
}

// FuzzSnapshot makes snapshots of whatever comes as a StructureDefinition.
func FuzzSnapshot(f *testing.F) {
	const head = `{"resourceType":"StructureDefinition","url":"http://example.org/p","type":"Observation","derivation":"constraint",` +
		`"baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation","differential":{"element":[`
	f.Add(head + `{"id":"Observation","path":"Observation"},{"id":"Observation.component:a.valueQuantity.code","path":"Observation.component.valueQuantity.code","min":1}]}}`)
	f.Add(head + `{"id":"Observation.component:a/b/c","path":"Observation.component","sliceName":"a/b/c"}]}}`)
	f.Add(head + `{"path":"Observation.valueString","patternString":"x"},{"path":"Observation.component.referenceRange.low.value"}]}}`)
	f.Add(`{"resourceType":"StructureDefinition","differential":{"element":[{}]}}`)
	set := R4()
	f.Fuzz(func(t *testing.T, text string) {
		p, err := set.Snapshot([]byte(text))
		if err == nil && len(p.Elements) == 0 {
			t.Error("a snapshot without elements")
		}
	})
}

func TestOpenPackRefuses(t *testing.T) {
	for n := range 200 {
		if p, err := openPack(r4pack[:n]); err == nil && len(p.sections) > 0 {
			t.Fatalf("a pack of %d bytes was taken", n)
		}
	}
	bad := bytes.Clone(r4pack)
	bad[len(bad)/2] ^= 0xff
	if s, err := load(bad); err == nil {
		for _, kind := range []string{"ValueSet", "CodeSystem", "StructureDefinition"} {
			for _, d := range s.Definitions(kind) {
				if _, err := d.JSON(); err != nil {
					return
				}
			}
		}
		t.Error("damage was not seen")
	}
}

func FuzzParam(f *testing.F) {
	f.Add(`{"resourceType":"SearchParameter","url":"u","code":"c","type":"token","base":["Patient"],"expression":"Patient.a | (Patient.b as x) | 'a|b'"}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseParam([]byte(text))
		if err != nil {
			return
		}
		for _, b := range p.Bases {
			if got := p.For(b); len(got) > 2*len(p.Expression)+2 {
				t.Errorf("%q of %q", got, p.Expression)
			}
		}
		R4().WithParams(p)
	})
}
