package check

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

const usCoreFile = data + "us-core/us-core-6.1.0.tgz"

// usCore is the checker for the guide and its examples, read once for all
// tests.
var usCore = sync.OnceValues(func() (*Checker, map[string][]byte) {
	f, err := os.Open(usCoreFile)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	p, err := schema.ReadPackage(f)
	if err != nil {
		panic(err)
	}
	set, err := schema.R4().With(p)
	if err != nil {
		panic(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		panic(err)
	}
	return New(set, terms.New(set)), examplesIn(f)
})

func examplesIn(f io.Reader) map[string][]byte {
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	out := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			panic(err)
		}
		if strings.Contains(h.Name, "/example/") && strings.HasSuffix(h.Name, ".json") && !strings.HasSuffix(h.Name, ".index.json") {
			if out[path.Base(h.Name)], err = io.ReadAll(r); err != nil {
				panic(err)
			}
		}
	}
}

func TestExamplesOfUSCoreFollowTheirProfiles(t *testing.T) {
	c, all := usCore()
	if c == nil {
		t.Skip("no " + usCoreFile)
	}
	for name, b := range all {
		doc, err := tree.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, i := range c.Check(doc, Options{Level: Profiles}) {
			if i.Severity >= Information {
				t.Logf("%s:%d:%d: %s %s: %s (%s)", name, i.Line, i.Col, i.Severity, i.Expression, i.Message, i.Key)
			}
		}
	}
	t.Logf("%d examples", len(all))
}
