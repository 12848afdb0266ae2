package schema

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// limits bound packages: what is larger is refused, so that a small file cannot
// unfold without end.
type limits struct {
	all   int64 // bytes of all files together, unpacked
	one   int64 // bytes of one file
	files int
}

const maxPackageFile = 64 << 20

// ErrPackage says that a file is no package, or one that is not accepted.
var ErrPackage = errors.New("not a usable FHIR package")

// A Package is an implementation guide, read from the .tgz in which such are
// published.
type Package struct {
	Name, Version, Title string
	FHIRVersions         []string
	Depends              []string // name#version of other packages
	// Skipped are files that could not be read, with the reason.
	Skipped []string

	defs   []*Definition
	params []*Param
}

// Definitions returns the conformance resources of the package.
func (p *Package) Definitions() []*Definition { return p.defs }

// conformance lists the resource types that are read from a package; examples
// and pages of the guide are not.
var conformance = [...]string{
	"StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "SearchParameter", "OperationDefinition",
	"CapabilityStatement", "CompartmentDefinition", "NamingSystem", "StructureMap", "GraphDefinition", "ImplementationGuide",
}

// ReadPackage reads a package. Nothing is written to disk, and the names inside
// only serve to find what is to be read.
func ReadPackage(r io.Reader) (*Package, error) {
	return readPackage(r, limits{512 << 20, maxPackageFile, 50_000})
}

func readPackage(r io.Reader, most limits) (*Package, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPackage, err)
	}
	pr := packageReader{p: &Package{}, most: most, limited: &io.LimitedReader{R: z, N: most.all}}
	if pr.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)); err != nil {
		return nil, err
	}
	if err := pr.files(tar.NewReader(pr.limited)); err != nil {
		return nil, err
	}
	if pr.p.Name == "" {
		return nil, fmt.Errorf("%w: there is no package/package.json with a name", ErrPackage)
	}
	if vs := pr.p.FHIRVersions; len(vs) > 0 && !slices.ContainsFunc(vs, func(v string) bool { return strings.HasPrefix(v, "4.0") }) {
		return nil, fmt.Errorf("%w: %s is for FHIR %s, not 4.0", ErrPackage, pr.p.Name, strings.Join(vs, ", "))
	}
	for _, d := range pr.p.defs {
		d.Package = pr.p.Name + "#" + pr.p.Version
	}
	return pr.p, nil
}

type packageReader struct {
	p       *Package
	most    limits
	limited *io.LimitedReader
	enc     *zstd.Encoder
}

func (r *packageReader) files(t *tar.Reader) error {
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case r.limited.N <= 0:
			return fmt.Errorf("%w: it unpacks to more than %d bytes", ErrPackage, r.most.all)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", ErrPackage, err)
		case n >= r.most.files:
			return fmt.Errorf("%w: it holds more than %d files", ErrPackage, r.most.files)
		}
		if h.Typeflag != tar.TypeReg || !wanted(h.Name) {
			continue
		}
		if h.Size > r.most.one {
			return fmt.Errorf("%w: %s is larger than %d bytes", ErrPackage, printable(h.Name), r.most.one)
		}
		b, err := io.ReadAll(t)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPackage, err)
		}
		if err := r.file(h.Name, b); err != nil {
			return err
		}
	}
}

// wanted takes the JSON files directly in the folder package.
func wanted(name string) bool {
	dir, file := path.Split(name)
	return (dir == "package/" || dir == "./package/") && strings.HasSuffix(file, ".json") && !strings.HasPrefix(file, ".")
}

func printable(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.ToValidUTF8(s, "?")
}

func (r *packageReader) file(name string, b []byte) error {
	d, err := tree.Parse(b)
	if err != nil {
		if path.Base(name) == "package.json" {
			return fmt.Errorf("%w: package.json: %w", ErrPackage, err)
		}
		r.skip(name, err.Error())
		return nil
	}
	n := d.Root()
	if path.Base(name) == "package.json" {
		r.manifest(n)
		return nil
	}
	kind := n.Get("resourceType").Text()
	if !slices.Contains(conformance[:], kind) {
		return nil
	}
	if kind == "ImplementationGuide" || n.Get("url").Text() == "" && kind != "NamingSystem" {
		return nil
	}
	def := describe(n)
	def.text = packed(r.enc.EncodeAll(b, nil), len(b))
	r.p.defs = append(r.p.defs, def)
	if kind == "SearchParameter" {
		p, err := param(n)
		if err != nil {
			r.skip(name, err.Error())
			return nil
		}
		r.p.params = append(r.p.params, p)
	}
	return nil
}

func (r *packageReader) skip(name, why string) {
	if len(r.p.Skipped) < 100 {
		r.p.Skipped = append(r.p.Skipped, printable(name)+": "+why)
	}
}

func (r *packageReader) manifest(n tree.Node) {
	r.p.Name, r.p.Version, r.p.Title = n.Get("name").Text(), n.Get("version").Text(), n.Get("title").Text()
	r.p.FHIRVersions = append(strs(n.Get("fhirVersions")), strs(n.Get("fhir-version-list"))...)
	for name, v := range n.Get("dependencies").Members() {
		r.p.Depends = append(r.p.Depends, name+"#"+v.Text())
	}
}

func describe(n tree.Node) *Definition {
	d := &Definition{
		Kind: n.Get("resourceType").Text(), URL: n.Get("url").Text(), Version: n.Get("version").Text(),
		ID: n.Get("id").Text(), Name: n.Get("name").Text(), Derived: n.Get("derivation").Text(),
	}
	if d.Kind == "StructureDefinition" {
		d.Of = typeName(n.Get("type").Text())
	}
	return d
}

// packed keeps a definition compressed until somebody asks for it.
func packed(b []byte, size int) func() (string, error) {
	return func() (string, error) {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPackageFile))
		if err != nil {
			return "", err
		}
		defer dec.Close()
		out, err := dec.DecodeAll(b, make([]byte, 0, size))
		return string(out), err
	}
}

// ParseDefinition makes a definition of a conformance resource, such as one
// that a client has stored.
func ParseDefinition(b []byte) (*Definition, error) {
	d, err := tree.Parse(b)
	if err != nil {
		return nil, err
	}
	def := describe(d.Root())
	if !slices.Contains(conformance[:], def.Kind) || def.URL == "" {
		return nil, fmt.Errorf("%q with address %q is no definition", def.Kind, def.URL)
	}
	def.text = func() (string, error) { return string(b), nil }
	return def, nil
}

// ParseParam reads a SearchParameter.
func ParseParam(b []byte) (*Param, error) {
	n, err := resource(b, "SearchParameter")
	if err != nil {
		return nil, err
	}
	return param(n)
}

func param(n tree.Node) (*Param, error) {
	p := &Param{
		Code: n.Get("code").Text(), URL: n.Get("url").Text(), Name: n.Get("name").Text(), Kind: n.Get("type").Text(),
		Bases: strs(n.Get("base")), Expression: n.Get("expression").Text(), Targets: strs(n.Get("target")),
		Comparators: strs(n.Get("comparator")), Modifiers: strs(n.Get("modifier")), Usage: n.Get("xpathUsage").Text(),
	}
	for c := range n.Get("component").Items() {
		p.Components = append(p.Components, Component{Definition: c.Get("definition").Text(), Expression: c.Get("expression").Text()})
	}
	if p.Code == "" || p.URL == "" || p.Kind == "" || len(p.Bases) == 0 {
		return nil, fmt.Errorf("search parameter %s lacks its code, type or base", p.URL)
	}
	return p, nil
}
