// Package app is where the rooms meet: configuration, wiring, the lists of
// drivers and consumers, start and stop. Nothing here knows medicine.
package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Config is every setting of a server. The comments of the settings table say
// what each means.
type Config struct {
	Data         string
	HTTP         string
	MQTT         string
	DB           string
	NATS         string
	NATSMonitor  []string
	NATSReplicas int
	Node         string
	AllowPlain   bool
	Partitions   int
	RawRetention time.Duration
	Keep         time.Duration
	KeepWaves    time.Duration
	KeepEvents   time.Duration
	MinFree      int64
	Checkpoint   time.Duration
	// QuarantineMax is how many messages of a device wait in the quarantine
	// before the device is refused.
	QuarantineMax int
	// FHIRPackages are files of implementation guides beside those in the data
	// folder.
	FHIRPackages []string
	// FHIRBase is the address of /fhir as others see it, SubscriptionHosts those
	// to which notifications may be sent.
	FHIRBase          string
	SubscriptionHosts []string
	// ImportHosts are hosts that $import may fetch from.
	ImportHosts []string
	Watchdog    string
	LogLevel    string
	LogFormat   string
}

// A Setting is one configuration value with where it came from.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // default, file PATH, environment VIGIL_X, flag --x
	Help   string `json:"help"`
}

// setting describes how one value is named and read.
type setting struct {
	name, value, help string
	set               func(*Config, string) error
}

// settings lists every setting with its default.
func settings() []setting {
	return slices.Concat(placeSettings(), clusterSettings(), keepingSettings(), tellingSettings())
}

// text, span and oneOf make settings of a kind.
func text(f func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *f(c) = v; return nil }
}

func span(f func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) (err error) { *f(c), err = parseSpan(v); return err }
}

func oneOf(f func(*Config) *string, words ...string) func(*Config, string) error {
	return func(c *Config, v string) error {
		*f(c) = v
		if !slices.Contains(words, v) {
			return errors.New("want " + strings.Join(words, ", "))
		}
		return nil
	}
}

// placeSettings say where things are and who may reach them.
func placeSettings() []setting {
	return []setting{
		{"data", "vigil-data", "folder that holds everything", text(func(c *Config) *string { return &c.Data })},
		{"http", "127.0.0.1:8080", "address of the web pages and APIs; empty turns it off", text(func(c *Config) *string { return &c.HTTP })},
		{"mqtt", "127.0.0.1:1883", "address of the MQTT listener; empty turns it off", text(func(c *Config) *string { return &c.MQTT })},
		{"db", "", "postgres://… to keep series and records there; empty keeps them in the data folder", text(func(c *Config) *string { return &c.DB })},
		{"nats", "", "nats://… of a cluster that carries the journal; empty carries it in this process", text(func(c *Config) *string { return &c.NATS })},
		{"fhir-package", "", "files of FHIR packages (implementation guides, .tgz), with commas between; those that `vigil fhir package add` put into the data folder are loaded anyway", func(c *Config, v string) error {
			c.FHIRPackages = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
			return nil
		}},
		{"allow-plain", "false", "let listeners without TLS bind to addresses other than loopback", func(c *Config, v string) (err error) {
			c.AllowPlain, err = strconv.ParseBool(v)
			return err
		}},
	}
}

// clusterSettings say how processes share a journal.
func clusterSettings() []setting {
	return []setting{
		{"nats-monitor", "", "monitoring addresses of the cluster's servers, http://host:8222 with commas between: asked at the start whether they sync every write", func(c *Config, v string) error {
			c.NATSMonitor = nil
			for _, a := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }) {
				u, err := url.Parse(a)
				if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
					return errors.New("want http://host:8222, with commas between several")
				}
				c.NATSMonitor = append(c.NATSMonitor, strings.TrimSuffix(a, "/"))
			}
			return nil
		}},
		{"nats-replicas", "1", "on how many of the cluster's servers each message is kept: 1, 3 or 5", func(c *Config, v string) (err error) {
			c.NATSReplicas, err = strconv.Atoi(v)
			if err != nil || c.NATSReplicas != 1 && c.NATSReplicas != 3 && c.NATSReplicas != 5 {
				err = errors.New("want 1, 3 or 5")
			}
			return err
		}},
		{"node", "", "name of this process among those that share a journal and a database; empty takes the machine's name", text(func(c *Config) *string { return &c.Node })},
		{"partitions", "", "partitions of the journal, fixed when it is made; empty is one for every two cores and at most 4, and 64 in a cluster", func(c *Config, v string) (err error) {
			if v == "" {
				return nil
			}
			c.Partitions, err = strconv.Atoi(v)
			if err == nil && (c.Partitions < 1 || c.Partitions > 1024) {
				err = errors.New("want 1 to 1024")
			}
			return err
		}},
	}
}

// keepingSettings say what is kept and for how long.
func keepingSettings() []setting {
	return []setting{
		{"raw-retention", "30d", "how long messages are kept as they came, for replay; at most a fifth of the disk", span(func(c *Config) *time.Duration { return &c.RawRetention })},
		{"keep", "0", "how long readings are kept; 0 is for ever", span(func(c *Config) *time.Duration { return &c.Keep })},
		{"keep-waves", "0", "how long waves are kept; 0 is for ever", span(func(c *Config) *time.Duration { return &c.KeepWaves })},
		{"keep-events", "0", "how long events are kept; 0 is for ever", span(func(c *Config) *time.Duration { return &c.KeepEvents })},
		{"min-free", "256MiB", "free disk space below which messages are refused", func(c *Config, v string) (err error) {
			c.MinFree, err = parseBytes(v)
			return err
		}},
		{"checkpoint", "1m", "how often series heads are written to the store", func(c *Config, v string) (err error) {
			c.Checkpoint, err = parseSpan(v)
			if err == nil && c.Checkpoint <= 0 {
				err = errors.New("want more than 0: without checkpoints the journal grows for ever")
			}
			return err
		}},
		{"quarantine-max", "100000", "messages of one device that may wait in the quarantine before the device is refused", func(c *Config, v string) (err error) {
			c.QuarantineMax, err = strconv.Atoi(v)
			if err == nil && c.QuarantineMax < 1 {
				err = errors.New("want 1 or more")
			}
			return err
		}},
	}
}

// tellingSettings say who hears how the server is.
func tellingSettings() []setting {
	return []setting{
		{"watchdog", "", "URL that is posted to every 10 s while all is well, so that somebody outside notices silence", func(c *Config, v string) error {
			c.Watchdog = v
			if u, err := url.Parse(v); v != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
				return errors.New("want http://… or https://…")
			}
			return nil
		}},
		{"fhir-base", "", "address of the FHIR API as others see it, https://…/fhir, in what subscriptions send; empty takes the listener's", func(c *Config, v string) error {
			c.FHIRBase = v
			if u, err := url.Parse(v); v != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
				return errors.New("want http://… or https://…")
			}
			return nil
		}},
		{"subscription-hosts", "", "hosts that FHIR subscriptions may send to, with commas between: host, host:port, *.example.org, or * for any public one; loopback and private addresses have to be named; empty sends nowhere", func(c *Config, v string) error {
			c.SubscriptionHosts = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
			return nil
		}},
		{"fhir-import-hosts", "", "hosts that FHIR $import may fetch files from, with commas between: host or host:port; loopback addresses have to be named as such; empty fetches from nowhere", func(c *Config, v string) error {
			c.ImportHosts = hostList(v)
			return nil
		}},
		{"log-level", "info", "debug, info, warn or error", oneOf(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error")},
		{"log-format", "text", "text or json", oneOf(func(c *Config) *string { return &c.LogFormat }, "text", "json")},
	}
}

// Load reads the configuration: flags override the environment, the environment
// overrides the file, the file overrides the defaults. It reports every mistake,
// not only the first. The setting "config" in flags or VIGIL_CONFIG names the
// file.
func Load(flags map[string]string, env func(string) (string, bool)) (Config, []Setting, error) {
	var c Config
	var errs []error
	path, ok := flags["config"]
	if !ok {
		path, _ = env("VIGIL_CONFIG")
	}
	file := map[string]string{}
	if path != "" {
		var err error
		if file, err = readFile(path); err != nil {
			return c, nil, err
		}
	}
	var out []Setting
	for _, s := range settings() {
		v := Setting{Name: s.name, Value: s.value, Origin: "default", Help: s.help}
		if t, ok := file[s.name]; ok {
			v.Value, v.Origin = t, "file "+path
			delete(file, s.name)
		}
		name := "VIGIL_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
		if t, ok := env(name); ok {
			v.Value, v.Origin = t, "environment "+name
		}
		if t, ok := flags[s.name]; ok {
			v.Value, v.Origin = t, "flag --"+s.name
		}
		if err := s.set(&c, v.Value); err != nil {
			errs = append(errs, fmt.Errorf("setting %s (%s): %q: %w", s.name, v.Origin, v.Value, err))
		}
		out = append(out, v)
	}
	for name := range file {
		errs = append(errs, fmt.Errorf("setting %s (file %s): there is no such setting; `vigil config` lists them", name, path))
	}
	errs = append(errs, c.check()...)
	c.settle()
	return c, out, errors.Join(errs...)
}

// partitionsClustered is how many partitions a new journal has that processes
// share.
const partitionsClustered = 64

// partitionsHere is how many a new journal of this process alone has: one for
// every two cores, at most four. Each partition syncs for itself; on two cores
// four of them that wait for one disk acknowledge later than one, and not more.
func partitionsHere() int { return max(1, min(4, runtime.NumCPU()/2)) }

// settle fills in what depends on other settings.
func (c *Config) settle() {
	if c.Partitions == 0 {
		c.Partitions = partitionsHere()
		if c.shared() {
			c.Partitions = partitionsClustered
		}
	}
}

// shared tells whether several processes may share the journal and the store.
func (c *Config) shared() bool { return c.NATS != "" && c.DB != "" }

// readFile reads a YAML file of settings: one name and value each.
func readFile(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	out := map[string]string{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return out, nil
}

// check says what does not fit together.
func (c *Config) check() []error {
	var errs []error
	for name, addr := range map[string]string{"http": c.HTTP, "mqtt": c.MQTT} {
		if addr == "" || c.AllowPlain {
			continue
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("setting %s: %w", name, err))
			continue
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			errs = append(errs, fmt.Errorf("setting %s: %s is not a loopback address, and this listener is not encrypted; "+
				"use 127.0.0.1, or --allow-plain if something in front of it encrypts", name, host))
		}
	}
	return errs
}

// Socket returns the path of the socket that commands use.
func (c *Config) Socket() string { return filepath.Join(c.Data, "vigil.sock") }

// Profiles returns the folder of the installation's own device profiles.
func (c *Config) Profiles() string { return filepath.Join(c.Data, "devices") }

// parseSpan reads a duration that may be in days: 30d, 12h, 0.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 {
			return 0, errors.New("want a duration such as 30d, 12h or 0")
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	if s == "0" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("want a duration such as 30d, 12h or 0")
	}
	return d, nil
}

// parseBytes reads a size: 1048576, 256MiB, 2GiB.
func parseBytes(s string) (int64, error) {
	unit := int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if t, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = t, n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("want a size such as 256MiB")
	}
	return n * unit, nil
}
