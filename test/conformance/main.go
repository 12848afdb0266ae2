// Command conformance runs the suites that others wrote, and what the
// specification's own examples say, against Vigil, and prints for each how many
// cases passed, failed and were skipped, and why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var b bench
	flag.StringVar(&b.bin, "bin", "bin/vigil", "the binary that is tried")
	flag.StringVar(&b.data, "data", "../shared/data", "folder of the suites")
	flag.StringVar(&b.clients, "clients", "test/fhirclients", "folder with the FHIRPath engine to compare with")
	flag.StringVar(&b.only, "only", "", "run the suites whose names contain this")
	flag.IntVar(&b.every, "every", 1, "take every nth example only")
	flag.Parse()
	failed, err := b.run(ctx, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if failed || err != nil {
		os.Exit(1) //nolint:gocritic // nothing is left to be cleaned up
	}
}

// A bench is where the suites run.
type bench struct {
	bin, data, clients, only string
	every                    int
}

// A suite is a number of cases.
type suite struct {
	name string
	run  func(ctx context.Context, b *bench) ([]outcome, error)
}

// An outcome is what became of a case. It passed when it neither failed nor was
// skipped.
type outcome struct {
	name            string
	failed, skipped string // why
}

// shownFailures bounds how many failures of a suite are printed.
const shownFailures = 100

// run runs the suites and prints their reports.
func (b *bench) run(ctx context.Context, w io.Writer) (failed bool, err error) {
	for _, s := range suites() {
		if b.only != "" && !contains(s.name, b.only) {
			continue
		}
		start := time.Now()
		outcomes, err := s.run(ctx, b)
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(w, "%s passed=0 failed=0 skipped=1\n  skipped: the suite is not here: %v\n", s.name, err)
			continue
		}
		if err != nil {
			return true, fmt.Errorf("%s: %w", s.name, err)
		}
		if report(w, s.name, outcomes, time.Since(start)) {
			failed = true
		}
	}
	return failed, nil
}

// report prints what became of a suite and returns whether a case failed.
func report(w io.Writer, name string, outcomes []outcome, took time.Duration) bool {
	var passed, failed, skipped int
	for _, o := range outcomes {
		switch {
		case o.failed != "":
			failed++
		case o.skipped != "":
			skipped++
		default:
			passed++
		}
	}
	fmt.Fprintf(w, "%s passed=%d failed=%d skipped=%d (%.1f s)\n", name, passed, failed, skipped, took.Seconds())
	shown := 0
	for _, o := range outcomes {
		if o.failed != "" {
			if shown++; shown <= shownFailures {
				fmt.Fprintf(w, "  FAILED %s: %s\n", o.name, o.failed)
			}
		}
	}
	for _, o := range outcomes {
		if o.failed == "" && o.skipped != "" {
			fmt.Fprintf(w, "  skipped %s: %s\n", o.name, o.skipped)
		}
	}
	return failed > 0
}
