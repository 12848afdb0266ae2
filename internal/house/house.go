// Package house keeps the rules of the house: who may import whom, how large
// files, functions and interfaces may grow, that every package says what it is
// for, and that nothing hides in an init function. It reads source text only.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// A Plan says how a house is built.
type Plan struct {
	Module string
	// Ranks gives each room its rank; a room imports lower ranks only. The
	// front of the path decides: "codec" holds for codec/ucum. "" is the root.
	Ranks map[string]int
	// Free are rooms whose packages may import each other.
	Free []string
	// Outside lists, for an imported module path prefix, the rooms that may
	// import it. A module that is not listed may be imported nowhere.
	Outside map[string][]string
	Limits  Limits
}

// Limits are the sizes that nothing may pass.
type Limits struct {
	File, Function, Interface, Root int
}

// A Breach is one broken rule.
type Breach struct {
	Where string // file:line, or a folder
	Rule  string
}

// String writes where and rule.
func (b Breach) String() string { return b.Where + ": " + b.Rule }

// vague are names that say nothing about what is inside.
var vague = map[string]bool{
	"util": true, "utils": true, "common": true, "types": true, "helper": true, "helpers": true,
	"manager": true, "misc": true, "shared": true, "base": true,
}

// Check reads the Go files of a house and lists every breach.
func Check(house fs.FS, plan Plan) ([]Breach, error) {
	c := &checker{plan: plan, fset: token.NewFileSet(), commented: map[string]bool{}, seen: map[string]bool{}}
	err := fs.WalkDir(house, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(p, d.Name())
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := fs.ReadFile(house, p)
		if err != nil {
			return err
		}
		return c.file(p, text)
	})
	if err != nil {
		return nil, fmt.Errorf("read house: %w", err)
	}
	for dir := range c.seen {
		if !c.commented[dir] {
			c.breach(dir, "the package has no comment that says what it gives")
		}
	}
	if plan.Limits.Root > 0 && c.root > plan.Limits.Root {
		c.breach(".", fmt.Sprintf("the root package has %d lines, more than %d", c.root, plan.Limits.Root))
	}
	sort.Slice(c.breaches, func(i, j int) bool { return c.breaches[i].String() < c.breaches[j].String() })
	return c.breaches, nil
}

// skip leaves out folders that are not part of the house.
func skip(p, name string) error {
	if p != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "vendor") {
		return fs.SkipDir
	}
	return nil
}

// A checker gathers breaches.
type checker struct {
	plan      Plan
	fset      *token.FileSet
	commented map[string]bool
	seen      map[string]bool
	root      int
	breaches  []Breach
}

// breach notes one.
func (c *checker) breach(where, rule string) {
	c.breaches = append(c.breaches, Breach{where, rule})
}

// at returns file:line of a position.
func (c *checker) at(p token.Pos) string {
	pos := c.fset.Position(p)
	return pos.Filename + ":" + strconv.Itoa(pos.Line)
}

// file checks one file.
func (c *checker) file(p string, text []byte) error {
	f, err := parser.ParseFile(c.fset, p, text, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parse %s: %w", p, err)
	}
	dir := path.Dir(p)
	test := strings.HasSuffix(p, "_test.go")
	lines := strings.Count(string(text), "\n")
	if lines > c.plan.Limits.File {
		c.breach(p, fmt.Sprintf("%d lines, more than %d", lines, c.plan.Limits.File))
	}
	if test {
		return nil
	}
	c.seen[dir] = true
	if f.Doc != nil {
		c.commented[dir] = true
	}
	if dir == "." {
		c.root += lines
	}
	if vague[path.Base(dir)] {
		c.breach(dir, "the name says nothing about what is inside")
	}
	if !ast.IsGenerated(f) {
		c.shapes(f)
	}
	c.imports(dir, f)
	return nil
}

// shapes checks functions and interfaces.
func (c *checker) shapes(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				c.breach(c.at(n.Pos()), "an init function hides what happens")
			}
			first, last := c.fset.Position(n.Pos()).Line, c.fset.Position(n.End()).Line
			if last-first+1 > c.plan.Limits.Function {
				c.breach(c.at(n.Pos()), fmt.Sprintf("function %s has %d lines, more than %d", n.Name.Name, last-first+1, c.plan.Limits.Function))
			}
		case *ast.InterfaceType:
			if n.Methods.NumFields() > c.plan.Limits.Interface {
				c.breach(c.at(n.Pos()), fmt.Sprintf("an interface of %d methods, more than %d", n.Methods.NumFields(), c.plan.Limits.Interface))
			}
		}
		return true
	})
}

// imports checks who imports whom.
func (c *checker) imports(dir string, f *ast.File) {
	room := front(dir)
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		inside, ok := strings.CutPrefix(p, c.plan.Module)
		if ok && (inside == "" || inside[0] == '/') {
			c.inside(dir, room, strings.TrimPrefix(inside, "/"), i.Pos())
			continue
		}
		if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") {
			c.outside(room, p, i.Pos())
		}
	}
}

// inside checks an import of a room of this house.
func (c *checker) inside(dir, room, imported string, at token.Pos) {
	other := front(imported)
	from, known := c.plan.Ranks[room]
	to, ok := c.plan.Ranks[other]
	switch {
	case !known:
		c.breach(c.at(at), "room "+room+" has no rank; give it one in internal/house")
	case !ok:
		c.breach(c.at(at), "room "+other+" has no rank; give it one in internal/house")
	case room == other && (imported == room || contains(c.plan.Free, room) || strings.HasPrefix(imported, dir+"/")):
	case room == other:
		c.breach(c.at(at), dir+" imports its sibling "+imported)
	case to >= from:
		c.breach(c.at(at), fmt.Sprintf("%s (rank %d) imports %s (rank %d), which is not downhill", room, from, other, to))
	}
}

// outside checks an import of another module.
func (c *checker) outside(room, imported string, at token.Pos) {
	for prefix, rooms := range c.plan.Outside {
		if imported == prefix || strings.HasPrefix(imported, prefix+"/") {
			if contains(rooms, room) {
				return
			}
			c.breach(c.at(at), room+" imports "+prefix+", which is for "+strings.Join(rooms, ", "))
			return
		}
	}
	c.breach(c.at(at), "module of "+imported+" is not on the list; say why it is needed and add it")
}

// front returns the room of a folder: the first element, or two for internal.
func front(dir string) string {
	if dir == "." {
		return ""
	}
	first, rest, _ := strings.Cut(dir, "/")
	if first == "internal" && rest != "" {
		return "internal"
	}
	return first
}

// contains tells whether list holds s.
func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
