package main

import (
	"fmt"

	"github.com/vigil-iomt/vigil/app"
)

// serveCmd runs the server.
type serveCmd struct{ serverFlags }

// Run serves until it is told to stop.
func (cmd serveCmd) Run(c *console) error {
	cfg, _, err := cmd.load(c)
	if err != nil {
		return err
	}
	return app.Run(c.ctx, cfg, app.Options{
		Log: app.Logger(c.err, cfg.LogLevel, cfg.LogFormat),
		Ready: func(a app.Addresses) {
			fmt.Fprintf(c.out, "Vigil is ready. Data in %s\n", cfg.Data)
			if a.HTTP != "" {
				fmt.Fprintf(c.out, "  ward wall   http://%s/wall\n  staff app   http://%s/app\n  FHIR        http://%s/fhir\n", a.HTTP, a.HTTP, a.HTTP)
			}
			if a.MQTT != "" {
				fmt.Fprintf(c.out, "  MQTT        %s\n", a.MQTT)
			}
			fmt.Fprintf(c.out, "Register a device from another shell: vigil device add --data %s --profile pulse-oximeter\n", cfg.Data)
		},
	})
}
