package main

import (
	"os"
	"strings"

	"github.com/vigil-iomt/vigil/app"
)

// serverFlags are the settings that can be given as flags. An absent flag
// leaves the setting to the environment, the file or the default.
type serverFlags struct {
	Config        *string  `help:"File of settings, YAML." placeholder:"FILE"`
	HTTP          *string  `name:"http" help:"Address of the web pages and APIs; empty turns it off."`
	MQTT          *string  `name:"mqtt" help:"Address of the MQTT listener; empty turns it off."`
	DB            *string  `name:"db" help:"postgres://… to keep series and records there."`
	NATS          *string  `name:"nats" help:"nats://… of a cluster that carries the journal."`
	NATSMonitor   *string  `name:"nats-monitor" help:"Monitoring addresses of the cluster's servers."`
	NATSReplicas  *string  `name:"nats-replicas" help:"On how many of the cluster's servers each message is kept."`
	Node          *string  `help:"Name of this process in a cluster."`
	AllowPlain    bool     `help:"Let listeners without TLS bind to other addresses than loopback."`
	Partitions    *string  `help:"Partitions of the journal; fixed when it is made."`
	RawRetention  *string  `help:"How long messages are kept as they came."`
	Keep          *string  `help:"How long readings are kept; 0 is for ever."`
	KeepWaves     *string  `help:"How long waves are kept."`
	KeepEvents    *string  `help:"How long events are kept."`
	MinFree       *string  `help:"Free disk space below which messages are refused."`
	Checkpoint    *string  `help:"How often series heads are written to the store."`
	QuarantineMax *string  `help:"Messages of one device that may wait in the quarantine before it is refused."`
	FHIRPackage   []string `name:"fhir-package" help:"File of a FHIR package to load, .tgz; may be given several times." placeholder:"FILE"`
	FHIRBase      *string  `name:"fhir-base" help:"Address of the FHIR API as others see it, in what subscriptions send."`
	Subscription  *string  `name:"subscription-hosts" help:"Hosts that FHIR subscriptions may send to, with commas between." placeholder:"HOST,…"`
	ImportHosts   *string  `name:"fhir-import-hosts" help:"Hosts that FHIR $import may fetch files from, with commas between." placeholder:"HOST,…"`
	Watchdog      *string  `help:"URL that hears from the server while all is well."`
	LogLevel      *string  `help:"debug, info, warn or error."`
	LogFormat     *string  `help:"text or json."`
}

// values returns the flags that were given.
func (f serverFlags) values() map[string]string {
	out := map[string]string{}
	for name, v := range map[string]*string{
		"config": f.Config, "http": f.HTTP, "mqtt": f.MQTT, "db": f.DB, "nats": f.NATS,
		"nats-monitor": f.NATSMonitor, "nats-replicas": f.NATSReplicas, "node": f.Node,
		"partitions": f.Partitions, "raw-retention": f.RawRetention, "keep": f.Keep,
		"keep-waves": f.KeepWaves, "keep-events": f.KeepEvents, "min-free": f.MinFree,
		"fhir-base": f.FHIRBase, "subscription-hosts": f.Subscription, "fhir-import-hosts": f.ImportHosts,
		"checkpoint": f.Checkpoint, "quarantine-max": f.QuarantineMax, "watchdog": f.Watchdog, "log-level": f.LogLevel, "log-format": f.LogFormat,
	} {
		if v != nil {
			out[name] = *v
		}
	}
	if len(f.FHIRPackage) > 0 {
		out["fhir-package"] = strings.Join(f.FHIRPackage, ",")
	}
	if f.AllowPlain {
		out["allow-plain"] = "true"
	}
	return out
}

// load reads the configuration for a command line.
func (f serverFlags) load(c *console) (app.Config, []app.Setting, error) {
	flags := f.values()
	if _, ok := os.LookupEnv("VIGIL_DATA"); !ok || c.data != os.Getenv("VIGIL_DATA") {
		if c.data != "vigil-data" {
			flags["data"] = c.data
		}
	}
	return app.Load(flags, os.LookupEnv)
}

// configCmd prints every setting.
type configCmd struct{ serverFlags }

// Run prints them.
func (cmd configCmd) Run(c *console) error {
	_, settings, err := cmd.load(c)
	if settings != nil {
		if e := c.print(settings, func(t *table) {
			t.row("SETTING", "VALUE", "ORIGIN", "MEANING")
			for _, s := range settings {
				v := s.Value
				if v == "" {
					v = "(none)"
				}
				t.row(s.Name, v, s.Origin, s.Help)
			}
		}); e != nil {
			return e
		}
	}
	return err
}
