package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"unicode"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/ingest"
)

// entryPage is a page of quarantine entries.
type entryPage struct {
	Entries []vigil.QuarantineEntry `json:"entries"`
	Next    string                  `json:"next,omitempty" doc:"after of the next page; absent on the last."`
}

// payload is what the device sent.
type payload struct {
	Text   *string `json:"text" doc:"null when it is not text."`
	Base64 string  `json:"base64"`
}

// payloadOf shows bytes as text where they are text.
func payloadOf(b []byte) payload {
	p := payload{Base64: base64.StdEncoding.EncodeToString(b)}
	if !utf8.Valid(b) {
		return p
	}
	text := string(b)
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return p
		}
	}
	p.Text = &text
	return p
}

// shownEntry is an entry with what the device sent, and with the profile that
// did not understand it.
type shownEntry struct {
	vigil.QuarantineEntry
	Channel     string  `json:"channel,omitempty"`
	Payload     payload `json:"payload"`
	ProfileText string  `json:"profileText"`
}

// refusedReplay says why an entry is still not understood.
type refusedReplay struct {
	ID     string `json:"id"`
	Pos    string `json:"pos,omitempty"`
	Reason string `json:"reason"`
}

// replayOutcome is what became of replayed entries.
type replayOutcome struct {
	Replayed int             `json:"replayed" doc:"Entries whose readings have landed."`
	Refused  []refusedReplay `json:"refused"`
}

// outcomeOf sums replays up.
func outcomeOf(list []ingest.Replay) replayOutcome {
	out := replayOutcome{Refused: []refusedReplay{}}
	for _, r := range list {
		if r.Refusal == nil {
			out.Replayed++
			continue
		}
		out.Refused = append(out.Refused, refusedReplay{r.Entry, r.Refusal.Pos, r.Refusal.Reason})
	}
	return out
}

// replayChoice says which open entries to replay; all when both are empty.
type replayChoice struct {
	Device  vigil.DeviceID `json:"device,omitempty"`
	Profile string         `json:"profile,omitempty"`
}

// closing says why an entry is not worth repairing.
type closing struct {
	Reason string `json:"reason" minLength:"1"`
}

// quarantine registers the routes of the quarantine.
func (s *server) quarantine() {
	handle(s, route{"quarantine.search", http.MethodGet, "/quarantine", "List messages that nobody could understand, newest first"}, s.entries)
	handle(s, route{"quarantine.read", http.MethodGet, "/quarantine/{id}", "Read an entry with its payload"},
		func(ctx context.Context, in *ByID) (*answer[shownEntry], error) {
			e, err := s.c.Quarantine.QuarantineEntry(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			out := shownEntry{QuarantineEntry: e, Channel: e.Message.Channel, Payload: payloadOf(e.Message.Payload)}
			catalog, _ := s.c.Profiles()
			if p, ok := catalog.Profile(e.Profile); ok {
				out.ProfileText = string(p.Text)
			}
			return said(out), nil
		})
	handle(s, route{"quarantine.replay", http.MethodPost, "/quarantine/{id}/replay", "Send an entry through the pipeline again, after a repair"},
		func(ctx context.Context, in *ByID) (*answer[replayOutcome], error) {
			r, err := s.c.Replay(ctx, in.ID)
			return said(outcomeOf([]ingest.Replay{r})), err
		})
	handle(s, route{"quarantine.replay-all", http.MethodPost, "/quarantine/replay", "Send the open entries of a device, a profile, or all through the pipeline again"}, s.replayAll)
	handle(s, route{"quarantine.close", http.MethodPost, "/quarantine/{id}/close", "Decide that an entry is not worth repairing"},
		func(ctx context.Context, in *struct {
			ByID
			Body closing
		}) (*answer[vigil.QuarantineEntry], error) {
			if err := s.c.Quarantine.CloseQuarantine(ctx, in.ID, vigil.Closed, s.now()); err != nil {
				return nil, err
			}
			a, _ := vigil.ActorFrom(ctx)
			s.c.Log.InfoContext(ctx, "quarantine entry closed", "entry", in.ID, "actor", a.ID, "reason", in.Body.Reason)
			e, err := s.c.Quarantine.QuarantineEntry(ctx, in.ID)
			return said(e), err
		})
}

// entries lists a page of entries.
func (s *server) entries(ctx context.Context, in *struct {
	Device string `query:"device"`
	State  string `query:"state" enum:"open,replayed,closed" doc:"All when absent."`
	After  string `query:"after" doc:"next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*answer[entryPage], error) {
	list, err := s.c.Quarantine.Quarantine(ctx, vigil.QuarantineQuery{
		Device: vigil.DeviceID(in.Device), State: vigil.QuarantineState(in.State), After: in.After, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	page := entryPage{Entries: list}
	if len(list) > in.Limit {
		page.Entries, page.Next = list[:in.Limit], list[in.Limit-1].ID
	}
	if page.Entries == nil {
		page.Entries = []vigil.QuarantineEntry{}
	}
	return said(page), nil
}

// replayAll replays the open entries of one device, or of every device of a
// profile, or all.
func (s *server) replayAll(ctx context.Context, in *answer[replayChoice]) (*answer[replayOutcome], error) {
	choice := []vigil.DeviceID{in.Body.Device}
	if in.Body.Profile != "" {
		choice = nil
		for _, d := range s.c.Registry.Devices() {
			if d.Profile == in.Body.Profile && (in.Body.Device == "" || d.ID == in.Body.Device) {
				choice = append(choice, d.ID)
			}
		}
	}
	var all []ingest.Replay
	for _, d := range choice {
		list, err := s.c.ReplayAll(ctx, d)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return said(outcomeOf(all)), nil
}
