// Package devices knows what each type of device says and means. A type is one
// declarative file, a profile: where in its messages the readings, waves,
// events and states are, in which units and codes, whose clock counts, and
// examples that prove it. The package reads profiles, checks them, and decodes
// messages with them; a catalogue of profiles is built in, and files in a folder
// overlay it.
package devices
