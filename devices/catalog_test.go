package devices

import (
	"testing"
)

func TestEveryBuiltinProfileIsGood(t *testing.T) {
	c, problems := Load("")
	for _, p := range problems {
		t.Error(p)
	}
	for _, p := range c.Profiles() {
		for _, problem := range p.Check() {
			t.Error(problem)
		}
	}
	if n := len(c.Profiles()); n < 18 {
		t.Errorf("%d profiles, want at least 18", n)
	}
}
