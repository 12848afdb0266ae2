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
)

const usCoreFile = data + "us-core/us-core-6.1.0.tgz"

// usCore is the checker for the guide, with its examples and definitions, read
// once for all tests.
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
		dir, name := path.Split(h.Name)
		if dir != "package/" && dir != "package/example/" || !strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") || name == "package.json" {
			continue
		}
		if out[name], err = io.ReadAll(r); err != nil {
			panic(err)
		}
	}
}

func TestExamplesOfUSCoreFollowTheirProfiles(t *testing.T) {
	c, all := usCore()
	if c == nil {
		t.Skip("no " + usCoreFile)
	}
	if len(all) < 390 {
		t.Errorf("got %d examples, want all", len(all))
	}
	accepted(t, c, all, Rules)
	accepted(t, c, all, Profiles)
}
