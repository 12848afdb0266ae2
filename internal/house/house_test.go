package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestVigil checks this house.
func TestVigil(t *testing.T) {
	breaches, err := Check(os.DirFS("../.."), Vigil())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range breaches {
		t.Error(b)
	}
}

// TestMap checks that the map in README names every room once.
func TestMap(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for room := range Vigil().Ranks {
		if room == "" || room == "internal" || room == "cmd" {
			continue
		}
		if n := strings.Count(string(text), "\n"+room+"/ "); n != 1 {
			t.Errorf("README's map names %s/ %d times, want once", room, n)
		}
	}
}

// TestBrokenHouses proves the checker on houses that break rules. Each file
// lists the breaches that it must report, and nothing else.
func TestBrokenHouses(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no houses: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			house, err := txtar.FS(a)
			if err != nil {
				t.Fatal(err)
			}
			want, err := fs.ReadFile(house, "want")
			if err != nil {
				t.Fatal(err)
			}
			plan := Plan{
				Module:  "example.org/h",
				Ranks:   map[string]int{"": 0, "internal": 0, "codec": 1, "store": 4, "api": 4, "cmd": 6},
				Outside: map[string][]string{"example.com/sql": {"store"}},
				Limits:  Limits{File: 30, Function: 5, Interface: 2, Root: 12},
			}
			breaches, err := Check(house, plan)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, b := range breaches {
				got.WriteString(b.String() + "\n")
			}
			if got.String() != string(want) {
				t.Errorf("got\n%swant\n%s", got.String(), want)
			}
		})
	}
}
