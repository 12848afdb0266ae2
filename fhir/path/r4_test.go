package path_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// TestDefinitionsCompile compiles every invariant and every search parameter of
// the specification, and checks the names in them.
func TestDefinitionsCompile(t *testing.T) {
	set := schema.R4()
	seen := map[string]bool{}
	try := func(where, typ, text string) {
		if text == "" || seen[typ+text] {
			return
		}
		seen[typ+text] = true
		e, err := path.Compile(text)
		if err != nil {
			t.Errorf("%s: %s: %v", where, text, err)
			return
		}
		if where == "ChargeItemDefinition cid-0" {
			return // R4 asks for a name, which this resource does not have
		}
		if err := e.Check(set, typ); err != nil {
			t.Errorf("%s: %s: %v", where, text, err)
		}
	}
	for _, name := range set.Resources() {
		r := set.Type(name)
		for _, p := range set.Params(name) {
			try(name+"?"+p.Code, "", p.Expression)
		}
		try2 := func(t *schema.Type) {
			for _, i := range t.Invariants {
				try(t.Name+" "+i.Key, t.Name, i.Expression)
			}
			for _, f := range t.Fields {
				for _, i := range f.Invariants {
					typ := ""
					if len(f.Types) == 1 {
						typ = f.Types[0].Name
					}
					try(f.Path+" "+i.Key, typ, i.Expression)
				}
			}
		}
		try2(r)
		for _, f := range r.Fields {
			for _, of := range f.Types {
				try2(of)
			}
		}
	}
	t.Logf("%d expressions", len(seen))
}

// An inspector evaluates the invariants of everything in a document.
type inspector struct {
	set      *schema.Set
	compiled map[string]*path.Expr
	ctx      path.Context
	slow     *path.Expr
	count    int
	broken   map[string]int
	errors   map[string]error
}

func (c *inspector) visit(i path.Item, more []*schema.Invariant) {
	t := i.Type()
	if t == nil {
		return
	}
	for _, inv := range append(t.Invariants[:len(t.Invariants):len(t.Invariants)], more...) {
		if inv.Expression == "" {
			continue
		}
		e := c.compiled[inv.Expression]
		if e == nil {
			e, _ = path.Compile(inv.Expression)
			c.compiled[inv.Expression] = e
		}
		c.count++
		ok, err := e.Holds(&c.ctx, i)
		if inv.Key == "ele-1" { // in other words, without the short cut
			if slow, _ := c.slow.Holds(&c.ctx, i); slow != ok {
				c.errors["ele-1 on "+i.Node().Path()] = errors.New("the short cut differs")
			}
		}
		if err != nil {
			c.errors[inv.Key+": "+inv.Expression] = err
		} else if !ok && !inv.Warning {
			c.broken[inv.Key]++
		}
	}
	n := i.Node()
	for name, v := range n.Members() {
		if strings.HasPrefix(name, "_") || name == "resourceType" {
			continue
		}
		f, of := t.Field(name)
		if f == nil {
			continue
		}
		for e := range v.Items() {
			typ := of
			if typ.Kind == schema.Resource {
				typ = c.set.Type(e.Get("resourceType").Text())
			}
			inner := c.ctx
			if f.Name == "resource" {
				c.ctx.Resource = path.Element(c.set, typ, e, tree.Node{})
			}
			c.visit(path.Element(c.set, typ, e, tree.Node{}), f.Invariants)
			c.ctx = inner
		}
	}
}

// TestExamplesKeepInvariants evaluates all invariants on the examples of the
// specification. None breaks one.
func TestExamplesKeepInvariants(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(data(t, "fhir-r4-examples"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("no examples")
	}
	set := schema.R4()
	c := inspector{set: set, compiled: map[string]*path.Expr{}, broken: map[string]int{}, errors: map[string]error{}}
	c.slow, err = path.Compile("(hasValue()) or children().count() > id.count()")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := tree.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		i := path.ItemOf(set, d.Root())
		c.ctx = path.Context{Resource: i, Root: i, Now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
		c.visit(i, nil)
	}
	t.Logf("%d files, %d evaluations in %v", len(files), c.count, time.Since(start))
	for k, err := range c.errors {
		t.Errorf("%s: %v", k, err)
	}
	for k, n := range c.broken {
		t.Errorf("%s is broken %d times", k, n)
	}
}
