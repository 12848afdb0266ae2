package devices

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Builtin returns the files of the built-in catalogue.
//
// They are embedded; the variable is never written.
func Builtin() fs.FS {
	sub, err := fs.Sub(builtin, "catalog")
	if err != nil {
		panic("devices: the built-in catalogue is missing: " + err.Error())
	}
	return sub
}

//go:embed catalog/*.yaml
var builtin embed.FS

// A Catalog is a set of profiles. It does not change.
type Catalog struct {
	byName  map[string]*Profile
	aliases map[string]*Profile
}

// Profile finds a profile by its name, or by a name that it had before.
func (c *Catalog) Profile(name string) (*Profile, bool) {
	p, ok := c.byName[name]
	if !ok {
		p, ok = c.aliases[name]
	}
	return p, ok
}

// Profiles returns all profiles by name.
func (c *Catalog) Profiles() []*Profile {
	out := make([]*Profile, 0, len(c.byName))
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		out = append(out, c.byName[name])
	}
	return out
}

// add puts a profile into the catalogue; one of the same name gives way.
func (c *Catalog) add(p *Profile) {
	c.byName[p.Name] = p
	for _, a := range p.Aliases {
		c.aliases[a] = p
	}
}

// newCatalog returns the built-in catalogue and what is wrong with it.
func newCatalog() (*Catalog, []Problem) {
	c := &Catalog{byName: map[string]*Profile{}, aliases: map[string]*Profile{}}
	files := readFiles(Builtin())
	return c, c.fill(files, nil, nil)
}

// fill adds files; where one is broken, the profile of that file in before stays.
func (c *Catalog) fill(files []file, before *Catalog, folders []FolderReader) []Problem {
	var problems []Problem
	owner := map[string]string{}
	for _, f := range files {
		if f.problem != "" {
			problems = append(problems, Problem{File: f.name, Msg: f.problem})
		}
		var p *Profile
		if f.folder != nil && f.problem == "" {
			var wrong []Problem
			p, wrong = readFolder(f, folders)
			problems = append(problems, wrong...)
		} else if f.problem == "" {
			var wrong []Problem
			if p, wrong = Parse(f.name, f.text); p != nil && !f.builtin {
				wrong = p.Check()
				if !p.proved() {
					p = nil
				}
			}
			problems = append(problems, wrong...)
		}
		if p == nil && before != nil {
			p = before.fromFile(f.name)
		}
		if p == nil {
			continue
		}
		if o := owner[p.Name]; o != "" {
			problems = append(problems, Problem{File: f.name, Msg: "the profile " + p.Name + " is in " + o + ", too"})
			continue
		}
		owner[p.Name] = f.name
		c.add(p)
	}
	return problems
}

// fromFile returns the profile that an overlay file held.
func (c *Catalog) fromFile(name string) *Profile {
	for _, p := range c.byName {
		if p.file == name {
			return p
		}
	}
	return nil
}

// A file is a profile file as it was read.
type file struct {
	name    string
	text    []byte
	builtin bool
	problem string
	folder  *Folder // set when a folder as a whole is the profile
}

// readFiles reads the profile files of the built-in catalogue.
func readFiles(fsys fs.FS) []file {
	var out []file
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return []file{{name: "catalog", problem: "cannot be listed", builtin: true}}
	}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		f := file{name: "catalog/" + name, text: text, builtin: true}
		if err != nil {
			f.problem = "cannot be read"
		}
		out = append(out, f)
	}
	return out
}

// maxFiles is how many files an overlay may have.
const maxFiles = 10_000

// readDir reads the profile files of a folder, by name. A folder that is not
// there has none.
func readDir(dir string) []file {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || len(entries) > maxFiles {
		return []file{{name: filepath.Base(dir), problem: "the folder of profiles cannot be read"}}
	}
	var out []file
	for _, e := range entries {
		ext := path.Ext(e.Name())
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			if f, ok := folderFile(dir, e.Name()); ok {
				out = append(out, f)
			}
			continue
		}
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || ext != ".yaml" && ext != ".yml" {
			continue
		}
		f := file{name: e.Name()}
		if info, err := e.Info(); err == nil && info.Size() > maxFile {
			f.problem = "longer than a profile can be"
		} else if f.text, err = os.ReadFile(filepath.Join(dir, e.Name())); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			f.problem = "cannot be read"
		}
		out = append(out, f)
	}
	return out
}

// Load returns the built-in catalogue with the files of a folder over it: a file
// there replaces the built-in profile of the same name. A broken file is
// reported, and everything else is in the catalogue. The folder "" and one that
// does not exist hold nothing. A folder in it is a profile as a whole when one of
// the readers knows what is in it.
func Load(overlayDir string, folders ...FolderReader) (*Catalog, []Problem) {
	return load(readDir(overlayDir), nil, folders)
}

// load puts files over the built-in catalogue.
func load(files []file, before *Catalog, folders []FolderReader) (*Catalog, []Problem) {
	c, problems := newCatalog()
	return c, append(problems, c.fill(files, before, folders)...)
}

// Watch looks at a folder of profiles at intervals and calls changed with the
// new catalogue whenever a file has come, gone or changed, until ctx is done. A
// file that is broken keeps its last good profile. It calls changed on its own
// goroutine, the caller's.
func Watch(ctx context.Context, dir string, every time.Duration, changed func(*Catalog, []Problem), folders ...FolderReader) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	w := watcher{dir: dir}
	w.look() // what is there already was loaded by whoever watches
	files := readDir(dir)
	last, _ := load(files, nil, folders)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !w.look() {
			continue
		}
		c, problems := load(readDir(dir), last, folders)
		last = c
		changed(c, problems)
	}
}

// A watcher knows how the files of a folder were when it last looked.
type watcher struct {
	dir    string
	stamps map[string]stamp
}

// A stamp tells one state of a file from another. The content counts, not the
// time of its last change: two writes can fall into one tick of that clock.
type stamp struct {
	size int64
	sum  [sha256.Size]byte
}

// look tells whether anything has changed since the last look.
func (w *watcher) look() bool {
	now := map[string]stamp{}
	for _, f := range readDir(w.dir) {
		s := stamp{size: int64(len(f.text)), sum: sha256.Sum256(append(bytes.Clone(f.text), f.problem...))}
		now[f.name] = s
	}
	before := w.stamps
	w.stamps = now
	return before != nil && !maps.Equal(before, now)
}
