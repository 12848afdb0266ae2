package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/vigil-iomt/vigil/app"
)

// doctorCmd checks the installation: the running server, or the folder when
// none runs.
type doctorCmd struct{ serverFlags }

// Run prints what it found; it fails when something is not well.
func (cmd doctorCmd) Run(c *console) error {
	var out struct {
		OK      bool        `json:"ok"`
		Running bool        `json:"running"`
		Checks  []app.Check `json:"checks"`
	}
	out.Running = true
	err := c.client().call(c.ctx, http.MethodGet, "/api/v1/health", nil, &out)
	switch {
	case err != nil && !errors.Is(err, errNotRunning):
		return fmt.Errorf("a server is there and does not answer as it should: %w", err)
	case err != nil:
		out.Running = false
		cfg, _, cfgErr := cmd.load(c)
		if cfgErr != nil {
			return cfgErr
		}
		out.Checks = app.Diagnose(cfg)
	}
	failed := 0
	for _, k := range out.Checks {
		if !k.OK {
			failed++
		}
	}
	out.OK = failed == 0
	err = c.print(out, func(t *table) {
		if out.Running {
			t.row("The server is running.")
		} else {
			t.row("No server is running on " + c.data + ".")
		}
		for _, k := range out.Checks {
			mark := "ok"
			if !k.OK {
				mark = "LOOK"
			}
			t.row(mark, k.Name, k.Detail)
			if !k.OK && k.Advice != "" {
				t.row("", "", "→ "+k.Advice)
			}
		}
	})
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d checks need a look", failed, len(out.Checks))
	}
	return err
}
