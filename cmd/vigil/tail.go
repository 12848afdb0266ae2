package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

// tailCmd shows what arrives.
type tailCmd struct {
	Patient []string `help:"Only of these patients."`
	Subject []string `help:"Only of these subjects, such as location/ID or device/ID."`
	N       int      `short:"n" help:"Stop after so many readings and events; 0 goes on." default:"0"`
}

// tailed is one frame of the event stream.
type tailed struct {
	Type    string          `json:"type"`
	Time    vigil.Instant   `json:"time"`
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
}

// tailedReading is a reading in a frame.
type tailedReading struct {
	Subject string        `json:"subject"`
	Device  string        `json:"device"`
	Metric  string        `json:"metric"`
	Text    string        `json:"text"`
	Unit    string        `json:"unit"`
	Time    vigil.Instant `json:"time"`
	Quality []string      `json:"quality"`
}

// Run shows frames until it is told to stop.
func (cmd tailCmd) Run(c *console) error {
	cl := c.client()
	conn, resp, err := websocket.Dial(c.ctx, "ws://vigil/ws/events", &websocket.DialOptions{HTTPClient: cl.http})
	if resp != nil && resp.Body != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		return cl.unreachable(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(64 << 20)
	sub := map[string]any{"all": len(cmd.Patient)+len(cmd.Subject) == 0, "patients": cmd.Patient, "subjects": cmd.Subject}
	ask, err := json.Marshal(map[string]any{"subscribe": sub})
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	if err := conn.Write(c.ctx, websocket.MessageText, ask); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	seen := 0
	for {
		_, text, err := conn.Read(c.ctx)
		if err != nil {
			if errors.Is(err, context.Canceled) || c.ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the stream ended: %w", err)
		}
		n, err := cmd.show(c, text)
		if err != nil {
			return err
		}
		if seen += n; cmd.N > 0 && seen >= cmd.N {
			return conn.Close(websocket.StatusNormalClosure, "")
		}
	}
}

// show prints one frame and returns how many readings and events it held.
func (cmd tailCmd) show(c *console, text []byte) (int, error) {
	var f tailed
	if err := json.Unmarshal(text, &f); err != nil {
		return 0, fmt.Errorf("read frame: %w", err)
	}
	switch f.Type {
	case "heartbeat", "snapshot", "registry":
		return 0, nil
	case "error":
		return 0, fmt.Errorf("the server says %s", f.Data)
	case "readings":
		var readings []tailedReading
		if err := json.Unmarshal(f.Data, &readings); err != nil {
			return 0, fmt.Errorf("read readings: %w", err)
		}
		if c.json {
			fmt.Fprintf(c.out, "%s\n", text)
			return len(readings), nil
		}
		for _, r := range readings {
			fmt.Fprintf(c.out, "%s  %-46s %-14s %8s %-10s %s\n", r.Time, r.Subject, r.Metric, r.Text, r.Unit, strings.Join(r.Quality, " "))
		}
		return len(readings), nil
	}
	if c.json {
		fmt.Fprintf(c.out, "%s\n", text)
	} else {
		fmt.Fprintf(c.out, "%s  %-46s %s %s\n", f.Time, f.Subject, f.Type, f.Data)
	}
	if f.Type == "state" {
		return 0, nil // a silence is neither a reading nor an event
	}
	return 1, nil
}
