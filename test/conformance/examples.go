package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A source is a set of examples that a guide brings.
type source struct {
	folder  string // of the data, with *.json
	guide   string // a package of the data that is loaded, too
	profile bool   // the examples are validated by their profiles, too
}

var (
	specification = &source{folder: "fhir-r4-examples"}
	usCore        = &source{guide: "us-core/us-core-6.1.0.tgz", profile: true}
	devices       = &source{folder: "phd/input/examples", profile: true}
)

// An example is a resource with its name.
type example struct {
	name     string
	raw      []byte
	typ, id  string
	resource map[string]any
}

// read reads the examples, every nth of them.
func (s *source) read(b *bench) ([]example, error) {
	files := map[string][]byte{}
	var err error
	if s.folder != "" {
		err = fromFolder(b.in(s.folder), files)
	} else {
		err = fromPackage(b.in(s.guide), files)
	}
	if err != nil {
		return nil, err
	}
	var out []example
	for name, raw := range files {
		e := example{name: name, raw: raw}
		if e.resource, err = decode(raw); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		e.typ, _ = e.resource["resourceType"].(string)
		e.id, _ = e.resource["id"].(string)
		if e.typ != "" {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b example) int { return strings.Compare(a.name, b.name) })
	few := out[:0]
	for i, e := range out {
		if i%max(b.every, 1) == 0 {
			few = append(few, e)
		}
	}
	return few, nil
}

func fromFolder(dir string, files map[string][]byte) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list examples: %w", err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".json" && e.Name() != "package.json" {
			if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("read example: %w", err)
			}
		}
	}
	return nil
}

// fromPackage reads the folder example of a FHIR package.
func fromPackage(file string, files map[string][]byte) error {
	return eachFile(file, func(name string, r io.Reader) (err error) {
		dir, base := path.Split(name)
		if dir != "package/example/" || path.Ext(base) != ".json" || strings.HasPrefix(base, ".") {
			return nil
		}
		files[base], err = io.ReadAll(r)
		return err
	})
}

// eachFile calls f for each file of a package.
func eachFile(file string, f func(name string, r io.Reader) error) error {
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open package: %w", err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file, err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(h.Name, r)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
	}
}

// set returns the definitions that hold for the examples.
func (s *source) set(b *bench) (*schema.Set, error) {
	if s.guide == "" {
		return schema.R4(), nil
	}
	f, err := os.Open(b.in(s.guide))
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	defer f.Close()
	p, err := schema.ReadPackage(f)
	if err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	return schema.R4().With(p)
}

// decode reads JSON so that numbers keep their digits.
func decode(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var out map[string]any
	err := d.Decode(&out)
	return out, err
}

// stored runs f against a server that holds the examples.
func (s *source) stored(ctx context.Context, b *bench, f func(c *client, all []example, refused map[string]string) ([]outcome, error)) ([]outcome, error) {
	all, err := s.read(b)
	if err != nil {
		return nil, err
	}
	return b.serving(ctx, s.packages(b), func(c *client) ([]outcome, error) {
		refused := map[string]string{}
		for _, e := range all {
			status, answer, err := c.do(ctx, "PUT", e.typ+"/"+e.id, e.raw, nil)
			if err != nil {
				return nil, err
			}
			if status/100 != 2 {
				refused[e.name] = fmt.Sprintf("PUT got %d: %s", status, clip(answer))
			}
		}
		return f(c, all, refused)
	})
}

func (s *source) packages(b *bench) []string {
	if s.guide == "" {
		return nil
	}
	return []string{"--fhir-package", b.in(s.guide)}
}
