package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// A Profile describes a device type.
type Profile struct {
	devices.Info
	Builtin bool `json:"builtin" doc:"It came with the program; false for the installation's own."`
}

// shownProfile is a profile with its file.
type shownProfile struct {
	Profile
	Text string `json:"text"`
}

// A Problem is one thing that is wrong with a profile's file.
type Problem struct {
	File string `json:"file,omitempty"`
	Pos  string `json:"pos,omitempty" doc:"line 3 column 5"`
	Msg  string `json:"msg"`
}

// problemsOf renames the problems.
func problemsOf(list []devices.Problem) []Problem {
	out := make([]Problem, len(list))
	for i, p := range list {
		out[i] = Problem{p.File, p.Pos, p.Msg}
	}
	return out
}

// profileList is the catalogue.
type profileList struct {
	Profiles []Profile `json:"profiles"`
	Problems []Problem `json:"problems" doc:"Files of the installation that could not be used."`
}

// profileText is the text of a profile to be checked.
type profileText struct {
	Text string `json:"text"`
}

// checked is what a check found.
type checked struct {
	OK       bool      `json:"ok"`
	Problems []Problem `json:"problems"`
}

// trial is a message to be tried with a profile, given by name or as text.
type trial struct {
	Name    string          `json:"name,omitempty" doc:"A profile of the catalogue."`
	Text    string          `json:"text,omitempty" doc:"Or the text of a profile."`
	Channel string          `json:"channel,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty" doc:"A JSON text holds the message as it is; any other JSON value is the message. Without it the profile's own first example is tried."`
}

// profiles registers the routes of device profiles.
func (s *server) profiles() {
	handle(s, route{"profile.search", http.MethodGet, "/profiles", "List device profiles"},
		func(context.Context, *struct{}) (*answer[profileList], error) {
			catalog, problems := s.c.Profiles()
			out := profileList{Profiles: []Profile{}, Problems: problemsOf(problems)}
			stock := stock()
			for _, p := range catalog.Profiles() {
				out.Profiles = append(out.Profiles, Profile{p.Info(), stock[string(p.Text)]})
			}
			return said(out), nil
		})
	handle(s, route{"profile.read", http.MethodGet, "/profiles/{name}", "Read a device profile with its file"},
		func(_ context.Context, in *struct {
			Name string `path:"name"`
		}) (*answer[shownProfile], error) {
			catalog, _ := s.c.Profiles()
			p, ok := catalog.Profile(in.Name)
			if !ok {
				return nil, vigil.Errorf(vigil.NotFound, "there is no profile %s", in.Name)
			}
			return said(shownProfile{Profile{p.Info(), stock()[string(p.Text)]}, string(p.Text)}), nil
		})
	handle(s, route{"profile.check", http.MethodPost, "/profiles/check", "Check the text of a profile; nothing is kept"},
		func(_ context.Context, in *answer[profileText]) (*answer[checked], error) {
			p, problems := devices.Parse("profile.yaml", []byte(in.Body.Text))
			if len(problems) == 0 {
				problems = p.Check()
			}
			return said(checked{len(problems) == 0, problemsOf(problems)}), nil
		})
	handle(s, route{"profile.try", http.MethodPost, "/profiles/try", "Decode a message with a profile; nothing is kept"}, s.try)
}

// stock returns the texts of the profiles that came with the program.
func stock() map[string]bool {
	out := map[string]bool{}
	files := devices.Builtin()
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(files, name)
		out[string(text)] = true
		return err
	})
	return out
}

// try decodes a message.
func (s *server) try(_ context.Context, in *answer[trial]) (*answer[devices.Tried], error) {
	b := in.Body
	var p *devices.Profile
	switch {
	case (b.Name == "") == (b.Text == ""):
		return nil, invalid("/name", "give the name of a profile, or its text")
	case b.Name != "":
		catalog, _ := s.c.Profiles()
		known, ok := catalog.Profile(b.Name)
		if !ok {
			return nil, vigil.Errorf(vigil.NotFound, "there is no profile %s", b.Name)
		}
		p = known
	default:
		parsed, problems := devices.Parse("profile.yaml", []byte(b.Text))
		if len(problems) > 0 {
			return nil, invalid("/text", problems[0].Pos+": "+problems[0].Msg)
		}
		p = parsed
	}
	message := []byte(b.Payload)
	var text string
	switch {
	case len(message) == 0 || bytes.Equal(message, []byte("null")):
		if len(p.Examples) == 0 {
			return nil, invalid("/payload", "the profile has no example to try; give a payload")
		}
		message, b.Channel = p.Examples[0].Message(), p.Examples[0].Channel
	case json.Unmarshal(message, &text) == nil:
		message = []byte(text)
	}
	return said(devices.Try(p, b.Channel, message)), nil
}
