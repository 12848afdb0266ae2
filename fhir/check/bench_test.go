package check

import (
	"compress/bzip2"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func synthea(t testing.TB, file string) []byte {
	f, err := os.Open(file)
	if err != nil {
		t.Skip("no bundles of Synthea: ", err)
	}
	defer f.Close()
	b, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const smallBundle = data + "synthea/252abfcc-dd25-a9ce-f187-873a98cecc53.json.bz2"

// observations are those of a bundle, as documents of their own.
func observations(t testing.TB) []*tree.Doc {
	bundle, err := tree.Parse(synthea(t, smallBundle))
	if err != nil {
		t.Fatal(err)
	}
	var out []*tree.Doc
	for e := range bundle.Root().Get("entry").Items() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == "Observation" {
			doc, err := tree.Parse(r.Raw())
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, doc)
		}
	}
	return out
}

func TestBundlesOfSyntheaAreAccepted(t *testing.T) {
	files, _ := filepath.Glob(data + "synthea/*.bz2")
	if len(files) == 0 {
		t.Skip("no bundles in " + data + "synthea")
	}
	if files = files[:min(len(files), 8)]; testing.Short() {
		files = files[:2]
	}
	c := checker()
	for _, f := range files {
		doc, err := tree.Parse(synthea(t, f))
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range c.Check(doc, Options{Level: Rules}) {
			if i.Severity >= Error {
				t.Errorf("%s:%d:%d: %s %s: %s", filepath.Base(f), i.Line, i.Col, i.Severity, i.Expression, i.Message)
			}
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	docs := observations(b)
	size := 0
	for _, d := range docs {
		size += len(d.Bytes())
	}
	c := checker()
	for _, level := range []struct {
		name string
		Level
	}{{"structure", Structure}, {"rules", Rules}, {"profiles", Profiles}} {
		b.Run(level.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size / len(docs)))
			for i := range b.N {
				c.Check(docs[i%len(docs)], Options{Level: level.Level})
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	set := schema.R4()
	t := terms.New(set)
	for b.Loop() {
		New(set, t)
	}
}
