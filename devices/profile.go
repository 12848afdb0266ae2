package devices

import (
	"slices"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// A Profile is what is known about one type of device. It does not change once
// it was read and may be used by many goroutines.
type Profile struct {
	Name     string // kebab-case; devices are registered with it
	Title    string
	Maker    string
	Model    string
	Kind     string // sort of device, as pulse-oximeter
	Source   string // document that the file was written from
	Firmware string // range of versions that the file was verified with; "" is every version
	Shared   bool   // goes from patient to patient: each message says whose it is
	Codes    []vigil.Code
	Aliases  []string // names that the profile had before
	Channels []string // channels that it sends on; none means any
	Examples []Example
	Text     []byte // the file

	file      string
	codec     codec
	metrics   []*vigil.Metric
	lines     map[string]int // where a metric is defined, for problems
	waves     []*waveRates
	groups    []group
	time      timeSpec
	patient   *jsonbody.Path
	clock     Clock
	firmware  firmwareRange
	cadence   time.Duration
	silence   time.Duration
	heartbeat time.Duration
	panels    map[string]*vigil.Panel
	own       []knownCode // codes that the file brings along
	custom    *Custom     // set when something else than the file says how to decode
}

// Metrics returns the metrics that messages of the device can give, readings
// first, in the order of the file. A wave whose rate is in the message is listed
// with the rate of 1 /s and appears in messages with its own.
func (p *Profile) Metrics() []*vigil.Metric {
	out := slices.Clone(p.metrics)
	for _, w := range p.waves {
		out = append(out, w.base)
	}
	return out
}

// EventTypes returns the types of event that messages can give, in the order of
// the file.
func (p *Profile) EventTypes() []string {
	if p.custom != nil {
		return slices.Clone(p.custom.Events)
	}
	var out []string
	for _, g := range p.groups {
		for i := range g.events {
			if t := g.events[i].kind; !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// Cadence returns the expected time between readings, 0 when they come when
// they come.
func (p *Profile) Cadence() time.Duration { return p.cadence }

// Heartbeat returns the longest time between two messages of a healthy device,
// 0 when there is none.
func (p *Profile) Heartbeat() time.Duration { return p.heartbeat }

// FirmwareVerified tells whether the profile was verified with a version. An
// empty version counts as verified.
func (p *Profile) FirmwareVerified(version string) bool {
	return version == "" || p.firmware.holds(version)
}

// Clock returns whose clock counts.
func (p *Profile) Clock() Clock { return p.clock }

// A timeSpec says where times are.
type timeSpec struct {
	path     *jsonbody.Path
	now      *jsonbody.Path
	format   timeFormat
	required bool
}

// A group is what is read together: once for the message, or once for each item
// of a list.
type group struct {
	each       *jsonbody.Path // nil for the message itself
	list       *jsonbody.Path // the list of each, nil when it cannot be told
	time       *jsonbody.Path
	number     *jsonbody.Path
	correction *jsonbody.Path
	states     []state
	readings   []reading
	waves      []wave
	events     []event
}

// A reading says how one value is read.
type reading struct {
	metric   *vigil.Metric
	index    int // of the metric, for states
	path     *jsonbody.Path
	when     *condition
	channel  string
	time     *jsonbody.Path
	unit     unitSpec
	scale    float64
	offset   float64
	decimals int8 // -1 keeps those sent
	shift    int8 // how many digits behind the point scale and unit add
	plain    bool // neither scale, offset nor conversion
	quoted   bool
	required bool
	hasValid bool
	valid    [2]float64
	specials []special
	words    map[string]float64
}

// A unitSpec says which unit a value is in.
type unitSpec struct {
	path    *jsonbody.Path            // where the message says it; nil when it is fixed
	fixed   ucum.Converter            // for the fixed unit, and for messages that do not say it
	none    bool                      // a message must say it
	words   map[string]ucum.Converter // by the device's words and by common units; others are read as UCUM
	store   string
	mass    float64 // molar mass, 0 if none
	perMole string
}

// A special is a value with a meaning of its own.
type special struct {
	text    string
	num     float64
	isNum   bool
	nothing bool
	state   vigil.State
	flag    vigil.Quality // Above or Below
	value   float64       // in the stored unit
	digits  int8
}

// A wave says how one block of samples is read.
type wave struct {
	rates    *waveRates
	index    int // for states
	path     *jsonbody.Path
	when     *condition
	channel  string
	time     *jsonbody.Path
	rate     *jsonbody.Path
	gain     float64
	gainAt   *jsonbody.Path
	offset   float64
	offsetAt *jsonbody.Path
	physical bool
}

// waveRates are a wave's metrics, one for each rate it was seen with.
type waveRates struct {
	base *vigil.Metric
	mu   sync.RWMutex
	by   map[[2]int64]*vigil.Metric
}

// An event says how one thing that happens is read.
type event struct {
	kind    string
	title   string
	codes   []vigil.Code
	path    *jsonbody.Path
	when    *condition
	channel string
	time    *jsonbody.Path
	data    []dataField
}

// A dataField is one member of an event's data.
type dataField struct {
	name []byte // as JSON, with the colon
	path *jsonbody.Path
}

// A state says when the device has no value for some metrics.
type state struct {
	when    *condition
	says    vigil.State
	channel string
	absent  []int // indices of metrics and, behind them, waves
	names   []string
}

// An Info describes a profile for lists.
type Info struct {
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	Maker    string          `json:"maker,omitempty"`
	Model    string          `json:"model,omitempty"`
	Kind     string          `json:"kind"`
	Source   string          `json:"source"`
	Firmware string          `json:"firmware,omitempty"`
	Shared   bool            `json:"shared,omitempty"`
	Codes    []vigil.Code    `json:"codes,omitempty"`
	Aliases  []string        `json:"aliases,omitempty"`
	Channels []string        `json:"channels,omitempty"`
	Clock    string          `json:"clock"`
	Cadence  float64         `json:"cadence,omitempty"`   // seconds
	Beat     float64         `json:"heartbeat,omitempty"` // seconds
	Metrics  []*vigil.Metric `json:"metrics"`
	Events   []string        `json:"events"`
	Examples []Example       `json:"examples"`
}

// Info returns the description of the profile.
func (p *Profile) Info() Info {
	return Info{
		Name: p.Name, Title: p.Title, Maker: p.Maker, Model: p.Model, Kind: p.Kind, Source: p.Source,
		Firmware: p.Firmware, Shared: p.Shared, Codes: p.Codes, Aliases: p.Aliases, Channels: p.Channels,
		Clock: p.clock.String(), Cadence: p.cadence.Seconds(), Beat: p.heartbeat.Seconds(),
		Metrics: p.Metrics(), Events: append([]string{}, p.EventTypes()...), Examples: p.Examples,
	}
}
