package xmlform_test

import (
	"archive/tar"
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

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/xmlform/formtest"
)

// data returns a path in ../shared/data, or skips the test.
func data(t *testing.T, path string) string {
	t.Helper()
	path = filepath.Join("../../../shared/data", path)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s beside the project", path)
	}
	return path
}

func comesBack(t *testing.T, name string, src []byte) {
	t.Helper()
	if err := formtest.JSON(schema.R4(), src); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

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
		comesBack(t, filepath.Base(f), src)
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
		comesBack(t, h.Name, src)
		count++
	}
	if count < 20 {
		t.Errorf("only %d examples", count)
	}
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
		count++
		if err := formtest.XML(schema.R4(), src); err != nil {
			t.Errorf("%s: %v", path, err)
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
			comesBack(t, filepath.Base(path), src)
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
	comesBack(t, filepath.Base(files[0]), src)
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
