package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// Guides returns the folder of the FHIR packages that were added.
func (c *Config) Guides() string { return filepath.Join(c.Data, "fhir-packages") }

// A Guide is a FHIR package that is loaded: an implementation guide.
type Guide struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Title       string `json:"title"`
	File        string `json:"file"`
	Definitions int    `json:"definitions"`
	// Missing are packages that it builds on and that are not loaded: what
	// refers to them is unknown, not wrong.
	Missing []string `json:"missing,omitempty"`
	// Skipped are files of the package that could not be read.
	Skipped []string `json:"skipped,omitempty"`
}

// LoadGuides reads the packages of a folder and further files. It reports every
// file that is wrong, not only the first.
func LoadGuides(dir string, files []string) (*schema.Set, []Guide, error) {
	found, err := guideFiles(dir)
	if err != nil {
		return nil, nil, err
	}
	var (
		packages []*schema.Package
		guides   []Guide
		errs     []error
	)
	for _, file := range slices.Concat(found, files) {
		p, err := readGuide(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if slices.ContainsFunc(packages, func(o *schema.Package) bool { return o.Name == p.Name && o.Version == p.Version }) {
			continue // the same one in the folder and as a setting
		}
		packages = append(packages, p)
		guides = append(guides, guideOf(p, file))
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(errs...)
	}
	for i := range guides {
		guides[i].Missing = missing(packages[i], packages)
	}
	if len(packages) == 0 {
		return schema.R4(), nil, nil
	}
	set, err := schema.R4().With(packages...)
	return set, guides, err
}

func guideOf(p *schema.Package, file string) Guide {
	return Guide{Name: p.Name, Version: p.Version, Title: p.Title, File: file, Definitions: len(p.Definitions()), Skipped: p.Skipped}
}

// missing lists what a package builds on and what is not there; the
// specification always is.
func missing(p *schema.Package, all []*schema.Package) []string {
	var out []string
	for _, need := range p.Depends {
		name, _, _ := strings.Cut(need, "#")
		if name != "hl7.fhir.r4.core" && !slices.ContainsFunc(all, func(o *schema.Package) bool { return o.Name == name }) {
			out = append(out, need)
		}
	}
	return out
}

func readGuide(file string) (*schema.Package, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read FHIR package: %w", err)
	}
	defer f.Close()
	p, err := schema.ReadPackage(f)
	if err != nil {
		return nil, fmt.Errorf("read FHIR package %s: %w", file, err)
	}
	return p, nil
}

// guideFiles lists the packages of a folder, which need not be there.
func guideFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read FHIR packages: %w", err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tgz") && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// maxGuide bounds the file of a package.
const maxGuide = 256 << 20

var guideName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// AddGuide checks a package and puts it into the folder, where a server finds it
// within seconds.
func AddGuide(dir string, r io.Reader) (Guide, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxGuide+1))
	if err != nil {
		return Guide{}, fmt.Errorf("read FHIR package: %w", err)
	}
	if len(b) > maxGuide {
		return Guide{}, fmt.Errorf("%w: it is larger than %d MB", schema.ErrPackage, maxGuide>>20)
	}
	p, err := schema.ReadPackage(bytes.NewReader(b))
	if err != nil {
		return Guide{}, err
	}
	if !guideName.MatchString(p.Name) || !guideName.MatchString(p.Version) {
		return Guide{}, fmt.Errorf("%w: its name %q or version %q cannot be the name of a file", schema.ErrPackage, p.Name, p.Version)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Guide{}, fmt.Errorf("add FHIR package: %w", err)
	}
	file := filepath.Join(dir, p.Name+"-"+p.Version+".tgz")
	staged, err := os.CreateTemp(dir, ".package-*")
	if err != nil {
		return Guide{}, fmt.Errorf("add FHIR package: %w", err)
	}
	_, err = staged.Write(b)
	if err = errors.Join(err, staged.Sync(), staged.Close()); err == nil {
		err = os.Rename(staged.Name(), file)
	}
	if err != nil {
		return Guide{}, errors.Join(fmt.Errorf("add FHIR package: %w", err), os.Remove(staged.Name()))
	}
	_, all, err := LoadGuides(dir, nil)
	for _, g := range all {
		if g.Name == p.Name && g.Version == p.Version {
			return g, nil
		}
	}
	return guideOf(p, file), err
}

// RemoveGuide takes a package out of the folder: NAME, or NAME#VERSION where
// there are several.
func RemoveGuide(dir, which string) ([]Guide, error) {
	_, all, err := LoadGuides(dir, nil)
	if err != nil {
		return nil, err
	}
	name, version, _ := strings.Cut(which, "#")
	var out []Guide
	for _, g := range all {
		if g.Name == name && (version == "" || g.Version == version) {
			out = append(out, g)
		}
	}
	switch {
	case len(out) == 0:
		return nil, fmt.Errorf("there is no FHIR package %s; `vigil fhir package list` shows them", which)
	case len(out) > 1:
		return nil, fmt.Errorf("there are %d versions of %s; name one as %s#VERSION", len(out), name, name)
	}
	return out, os.Remove(out[0].File)
}

// definitions are the FHIR definitions of this moment.
type definitions struct {
	dir   string
	files []string
	log   *slog.Logger
	seen  string // the folder as it was last
	set   atomic.Pointer[schema.Set]
}

// openDefinitions reads all packages; a wrong one is an error.
func openDefinitions(c *Config, log *slog.Logger) (*definitions, error) {
	d := &definitions{dir: c.Guides(), files: c.FHIRPackages, log: log}
	d.seen = d.look()
	if d.seen == "" && len(d.files) == 0 {
		return d, nil // the specification is read when somebody asks
	}
	return d, d.load()
}

func (d *definitions) load() error {
	set, guides, err := LoadGuides(d.dir, d.files)
	if err != nil {
		return err
	}
	d.set.Store(set)
	for _, g := range guides {
		d.log.Info("FHIR package is loaded", "package", g.Name, "version", g.Version, "definitions", g.Definitions)
	}
	return nil
}

// Set returns what is defined now.
func (d *definitions) Set() *schema.Set {
	if s := d.set.Load(); s != nil {
		return s
	}
	return schema.R4()
}

// look describes the folder: it changes when a package comes, goes or changes.
func (d *definitions) look() string {
	files, err := guideFiles(d.dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			fmt.Fprintln(&b, f, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// refresh reads the packages again when the folder has changed. While one is
// wrong, what was loaded stays.
func (d *definitions) refresh() {
	seen := d.look()
	if seen == d.seen {
		return
	}
	d.seen = seen
	if err := d.load(); err != nil {
		d.log.Warn("a FHIR package has a problem; what was loaded stays", "problem", err)
	}
}
