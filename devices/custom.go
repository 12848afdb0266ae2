package devices

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// A Decoder reads messages that are described in another way than by a profile
// file, as by a pair of mappings of another product. It appends to an empty
// Decoded and gets any input; a panic refuses the message.
type Decoder interface {
	Decode(out *Decoded, channel string, payload []byte)
}

// A Custom describes a profile whose messages a Decoder reads.
type Custom struct {
	Name    string // devices are registered with it
	File    string // where it comes from, for problems
	Title   string
	Maker   string
	Kind    string
	Source  string // document that says how the description is to be read
	Text    []byte // the description as people wrote it
	Metrics []*vigil.Metric
	Events  []string // types of event
	// Oddities are what Check has to say: the profile works and somebody
	// should look at it.
	Oddities []Problem
	Decoder  Decoder
}

// NewCustom returns the profile.
func NewCustom(c Custom) *Profile {
	return &Profile{
		Name: c.Name, Title: c.Title, Maker: c.Maker, Kind: c.Kind, Source: c.Source, Text: c.Text,
		file: c.File, metrics: c.Metrics, custom: &c,
	}
}

// Decoder returns what reads the messages of a profile that NewCustom made; nil
// for a profile file.
func (p *Profile) Decoder() Decoder {
	if p.custom == nil {
		return nil
	}
	return p.custom.Decoder
}

// A Speaker is a device that a message speaks for, and how many of the parts
// are its words: the first speaker's come first in Readings, Waves and Events,
// then those of the second. The names are as the message has them; whoever
// delivers must be allowed to speak for them.
type Speaker struct {
	Device   vigil.DeviceID `json:"device"`
	Patient  string         `json:"patient,omitempty"` // whom the message names beside the device
	Readings int            `json:"readings"`
	Waves    int            `json:"waves,omitempty"`
	Events   int            `json:"events"`
}

// A Folder is a folder in the overlay that is a profile as a whole, with its
// JSON files by name.
type Folder struct {
	Name  string
	Files map[string][]byte
}

// A FolderReader makes a profile of a folder. Problems that are no Warning
// refuse it. It returns nil and nothing for a folder that it does not know.
type FolderReader func(Folder) (*Profile, []Problem)

// readFolder lets the readers look at a folder.
func readFolder(f file, folders []FolderReader) (*Profile, []Problem) {
	for _, read := range folders {
		if p, problems := read(*f.folder); p != nil || len(problems) > 0 {
			return p, problems
		}
	}
	return nil, nil
}

// folderFile reads the JSON files of a folder. Its text is all of them, so that
// a change can be seen.
func folderFile(dir, name string) (file, bool) {
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil || len(entries) > maxFiles {
		return file{}, false
	}
	f := file{name: name, folder: &Folder{Name: name, Files: map[string][]byte{}}}
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".json" {
			continue
		}
		if info, err := e.Info(); err != nil || info.Size() > maxFile {
			f.problem = e.Name() + " is longer than a profile can be"
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name, e.Name()))
		if err != nil {
			continue // gone again
		}
		f.folder.Files[e.Name()] = text
	}
	for _, part := range slices.Sorted(maps.Keys(f.folder.Files)) {
		f.text = append(append(append(f.text, part...), 0), f.folder.Files[part]...)
	}
	return f, len(f.folder.Files) > 0 || f.problem != ""
}

// CodeDoubts says what is odd about the codes of a metric that somebody else
// wrote: a check digit that is wrong, a unit that the code is not measured in, a
// name that goes with another code. An empty list means that nothing is known
// against them. The words are those of the names that people gave the metric.
func CodeDoubts(m *vigil.Metric, words ...string) []string {
	var out []string
	titles := expected()
	for _, code := range m.Codes {
		if reason := malformed(code); reason != "" {
			out = append(out, reason)
			continue
		}
		k, ok := lookup(nil, code)
		if !ok {
			continue
		}
		if k.unit != "" && !ucum.Commensurable(m.Unit, k.unit) && m.Unit != "1" {
			out = append(out, code.String()+" ("+k.display+") is measured in "+k.unit+", not in "+m.Unit)
		}
		for _, word := range words {
			if want := titles[word]; want != nil && k.title != "" && !slices.Contains(want, k.title) && k.unit != "" {
				out = append(out, "clinically odd: "+strings.Join(words, " ")+" is coded as "+code.String()+" ("+k.display+")")
				break
			}
		}
	}
	return out
}

// KnowsCode tells whether a code is in Vigil's table of codes.
func KnowsCode(c vigil.Code) bool {
	_, ok := lookup(nil, c)
	return ok
}

// CodeFlaw tells why a code cannot be one of its system, as a wrong check digit;
// "" when it can.
func CodeFlaw(c vigil.Code) string { return malformed(c) }
