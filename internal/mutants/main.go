// The mutants program shows that each protection is needed: it takes them out
// one by one, in a working tree of its own, and sees that the named test fails.
// A protection whose mutant survives is one that nobody would miss.
//
//	go run ./internal/mutants [-tree DIR] [NAME…]
//
// It prints one line for each mutant, `killed NAME PROMISE` or `SURVIVED NAME
// PROMISE`, and fails when one survives, does not apply, or does not build.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// folder is where the mutants are, below the root of the repository.
const folder = "internal/mutants/patches"

func main() {
	tree := flag.String("tree", "", "work in this folder, and leave it as it was, instead of in a new working tree of HEAD")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *tree, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// run tries the named mutants, or all.
func run(ctx context.Context, out io.Writer, tree string, names []string) error {
	all, err := readAll(os.DirFS("."), folder)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return len(names) > 0 && !slices.Contains(names, m.name) })
	if tree == "" {
		var leave func()
		if tree, leave, err = checkout(ctx); err != nil {
			return err
		}
		defer leave()
	}
	l := lab{tree: tree, out: out, sound: map[trial]error{}}
	for _, m := range all {
		if err := l.try(ctx, m); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d mutants, %d killed\n", len(all), l.killed)
	if l.killed < len(all) {
		return fmt.Errorf("%d mutants were not killed", len(all)-l.killed)
	}
	return nil
}

// checkout makes a working tree of HEAD, and returns how to remove it.
func checkout(ctx context.Context) (string, func(), error) {
	dir, err := os.MkdirTemp("", "vigil-mutants-")
	if err != nil {
		return "", nil, fmt.Errorf("make folder: %w", err)
	}
	tree := filepath.Join(dir, "tree")
	leave := func() {
		_ = exec.CommandContext(context.WithoutCancel(ctx), "git", "worktree", "remove", "--force", tree).Run() // #nosec G204 -- its own folder
		_ = os.RemoveAll(dir)
	}
	text, err := exec.CommandContext(ctx, "git", "worktree", "add", "--detach", tree, "HEAD").CombinedOutput() // #nosec G204 -- its own folder
	if err != nil {
		leave()
		return "", nil, fmt.Errorf("make working tree: %w: %s", err, text)
	}
	return tree, leave, nil
}

// A lab tries mutants in one working tree.
type lab struct {
	tree   string
	out    io.Writer
	sound  map[trial]error // what the tests say without any mutant
	killed int
}

// try takes one protection out and sees whether its test fails.
func (l *lab) try(ctx context.Context, m mutant) error {
	if _, known := l.sound[m.trial]; !known {
		text, err := l.test(ctx, m.trial)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, text)
		}
		l.sound[m.trial] = err
	}
	if err := l.sound[m.trial]; err != nil {
		l.tell("UNSOUND", m, time.Duration(0), "the test fails without the mutant, too: "+err.Error())
		return ctx.Err()
	}
	restore, err := m.apply(l.tree)
	if err != nil {
		l.tell("STALE", m, 0, err.Error())
		return nil
	}
	begun := time.Now()
	text, err := l.test(ctx, m.trial)
	if back := restore(); back != nil {
		return fmt.Errorf("restore after %s: %w", m.name, back)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		l.tell("SURVIVED", m, time.Since(begun), "")
	case bytes.Contains(text, []byte("[build failed]")) || bytes.Contains(text, []byte("[setup failed]")):
		l.tell("BROKEN", m, time.Since(begun), "it does not build:\n"+string(text))
	default:
		l.killed++
		l.tell("killed", m, time.Since(begun), "")
	}
	return nil
}

// tell prints what became of a mutant.
func (l *lab) tell(fate string, m mutant, took time.Duration, why string) {
	fmt.Fprintf(l.out, "%-8s %-28s %s (%s)\n", fate, m.name, m.guards, took.Round(time.Second))
	if why != "" {
		fmt.Fprintln(l.out, "        ", strings.TrimSpace(why))
	}
}

// test runs a trial. A test that did not run is an error, too.
func (l *lab) test(ctx context.Context, t trial) ([]byte, error) {
	c := exec.CommandContext(ctx, "go", "test", "-vet=off", "-ldflags=-s -w", "-count=1", "-v", "-timeout=2m", "-run", t.run, t.pkg) // #nosec G204 -- from our own files
	c.Dir = l.tree
	c.Env = append(os.Environ(), strings.Fields(t.env)...)
	text, err := c.CombinedOutput()
	if err == nil && (!bytes.Contains(text, []byte("--- PASS")) || bytes.Contains(text, []byte("\n--- SKIP"))) {
		err = fmt.Errorf("%s in %s did not run", t.run, t.pkg)
	}
	return text, err
}
