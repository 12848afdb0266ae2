package app

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// guideFile makes a package with one value set.
func guideFile(t *testing.T, name, version string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for file, text := range map[string]string{
		"package/package.json":    `{"name":"` + name + `","version":"` + version + `","dependencies":{"hl7.fhir.r4.core":"4.0.1","other":"1"}}`,
		"package/ValueSet-v.json": `{"resourceType":"ValueSet","url":"http://example.org/v","version":"` + version + `"}`,
	} {
		if err := w.WriteHeader(&tar.Header{Name: file, Size: int64(len(text)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGuides(t *testing.T) {
	c := Config{Data: t.TempDir()}
	dir := c.Guides()
	d, err := openDefinitions(&c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if d.Set() != schema.R4() {
		t.Error("without packages it is not the specification itself")
	}
	for _, v := range []string{"1.0.0", "1.0.1"} {
		g, err := AddGuide(dir, bytes.NewReader(guideFile(t, "a.guide", v)))
		if err != nil {
			t.Fatal(err)
		}
		if g.Name != "a.guide" || g.Version != v || g.Definitions != 1 || strings.Join(g.Missing, " ") != "other#1" {
			t.Errorf("got %+v", g)
		}
	}
	d.refresh()
	if vs := d.Set().ValueSet("http://example.org/v"); vs == nil || vs.Version != "1.0.1" {
		t.Errorf("the value set is %+v", vs)
	}
	if _, err := RemoveGuide(dir, "a.guide"); err == nil {
		t.Error("one of two versions was removed unasked")
	}
	if _, err := RemoveGuide(dir, "a.guide#1.0.1"); err != nil {
		t.Error(err)
	}
	if _, err := RemoveGuide(dir, "b.guide"); err == nil {
		t.Error("a package that is not there was removed")
	}
	d.refresh()
	if vs := d.Set().ValueSet("http://example.org/v"); vs == nil || vs.Version != "1.0.0" {
		t.Errorf("after the removal the value set is %+v", vs)
	}
	for _, name := range []string{"../escape", "", ".hidden", "a/b"} {
		if _, err := AddGuide(dir, bytes.NewReader(guideFile(t, name, "1"))); !errors.Is(err, schema.ErrPackage) {
			t.Errorf("a package named %q: %v", name, err)
		}
	}
	// While a file is wrong, what was loaded stays; a start is refused.
	if err := os.WriteFile(filepath.Join(dir, "wrong.tgz"), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.refresh()
	if d.Set().ValueSet("http://example.org/v") == nil {
		t.Error("a wrong package took away the good one")
	}
	if _, err := openDefinitions(&c, slog.New(slog.DiscardHandler)); !errors.Is(err, schema.ErrPackage) {
		t.Errorf("a start with a wrong package: %v", err)
	}
}
