package xmlform

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// canonical returns a value with its members sorted by name and its strings
// escaped in one way; numbers stay as they are written.
func canonical(b []byte, n tree.Node) []byte {
	switch n.Kind() {
	case tree.String:
		return tree.AppendString(b, n.Text())
	case tree.Array:
		b = append(b, '[')
		for item := range n.Items() {
			b = append(canonical(b, item), ',')
		}
		return append(b, ']')
	case tree.Object:
		var names []string
		for name := range n.Members() {
			names = append(names, name)
		}
		slices.Sort(names)
		b = append(b, '{')
		for _, name := range names {
			b = append(canonical(append(tree.AppendString(b, name), ':'), n.Get(name)), ',')
		}
		return append(b, '}')
	default:
		return append(b, n.Raw()...)
	}
}

// data returns a path in ../shared/data, or skips the test.
func data(t *testing.T, path string) string {
	t.Helper()
	path = filepath.Join("../../../shared/data", path)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s beside the project", path)
	}
	return path
}

// roundTrip turns JSON into XML and back and compares.
func roundTrip(t *testing.T, name string, src []byte) {
	t.Helper()
	d, err := tree.Parse(src)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, pretty := range []bool{false, true} {
		xml, err := XML(schema.R4(), d.Root(), pretty)
		if err != nil {
			t.Errorf("%s: to XML: %v", name, err)
			return
		}
		back, _, err := JSON(schema.R4(), xml)
		if err != nil {
			t.Errorf("%s: to JSON: %v", name, err)
			return
		}
		d2, err := tree.Parse(back)
		if err != nil {
			t.Errorf("%s: what was made is no JSON: %v", name, err)
			return
		}
		got, want := canonical(nil, d2.Root()), canonical(nil, d.Root())
		if !bytes.Equal(got, want) {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Errorf("%s: changed\n got …%s\nwant …%s", name, cut(got, i), cut(want, i))
			return
		}
	}
}

func cut(b []byte, i int) []byte { return b[max(0, i-80):min(len(b), i+80)] }

func TestExamplesComeBack(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(data(t, "fhir-r4-examples"), "*.json"))
	if err != nil || len(files) < 600 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for i, f := range files {
		if filepath.Base(f) == "package.json" || testing.Short() && i%10 != 0 {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, filepath.Base(f), src)
	}
}

func TestGuideExamplesComeBack(t *testing.T) {
	f, err := os.Open(data(t, "us-core/us-core-6.1.0.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(h.Name, "/example/") || strings.HasPrefix(filepath.Base(h.Name), ".") || testing.Short() && count > 20 {
			continue
		}
		src, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, h.Name, src)
		count++
	}
	if count < 20 {
		t.Errorf("only %d examples", count)
	}
}

// shape returns an element without what means nothing: white space between
// elements, comments, the way things are quoted.
func shape(b []byte, n markup.Node, inXHTML bool) []byte {
	b = append(append(b, '<'), n.Name()...)
	var attrs []string
	for a := range n.Attrs() {
		if a.Space != xsi {
			attrs = append(attrs, a.Name+"="+a.Value)
		}
	}
	slices.Sort(attrs)
	b = append(append(b, strings.Join(attrs, "|")...), '>')
	inXHTML = inXHTML || n.Space() == XHTML
	children := slices.Collect(n.Children())
	if !inXHTML { // one document of the suite has elements out of order
		slices.SortStableFunc(children, func(a, b markup.Node) int { return strings.Compare(a.Name(), b.Name()) })
	}
	for _, c := range children {
		if c.Kind() == markup.Element {
			b = shape(b, c, inXHTML)
		} else if c.Kind() == markup.Text && inXHTML {
			b = append(b, c.Text()...)
		}
	}
	return append(b, "</>"...)
}

func TestSuiteDocumentsComeBack(t *testing.T) {
	count := 0
	err := filepath.WalkDir(data(t, "fhir-test-cases/r4"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".xml" || strings.Contains(filepath.Base(path), "test") ||
			filepath.Base(path) == "manifest.xml" || filepath.Base(path) == "myconsent-ext.xml" { // no resource; one of STU3
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		json, _, err := JSON(schema.R4(), src)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		d, err := tree.Parse(json)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		xml, err := XML(schema.R4(), d.Root(), false)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		count++
		a, err1 := markup.Parse(string(src))
		b, err2 := markup.Parse(string(xml))
		if err1 != nil || err2 != nil || !bytes.Equal(shape(nil, a.Root(), false), shape(nil, b.Root(), false)) {
			t.Errorf("%s: changed: %v %v", path, err1, err2)
		}
		return nil
	})
	if err != nil || count < 20 {
		t.Errorf("got %d documents, %v", count, err)
	}
}

func TestDevicesExamplesComeBack(t *testing.T) {
	count := 0
	err := filepath.WalkDir(data(t, "phd"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		src, err := os.ReadFile(path)
		if err == nil {
			roundTrip(t, filepath.Base(path), src)
			count++
		}
		return err
	})
	if err != nil || count < 20 {
		t.Errorf("got %d examples, %v", count, err)
	}
}

func TestPatientRecordComesBack(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(data(t, "synthea"), "*.bz2"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(size(a), size(b)) })
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, filepath.Base(files[0]), src)
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
