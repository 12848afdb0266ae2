package app

import (
	"time"

	"pgregory.net/rapid"
)

// A step is something that happens in a history.
type step struct {
	Kind            string
	Contest         []contest
	N, From, To, By int
	Table           string
	Flag            bool
}

// tables are those whose writing may fail.
var tables = []string{"positions", "series", "heads", "chunks", "seen", "events", "quarantine", "moves"}

// drawStep draws a step.
func drawStep(t *rapid.T) step {
	small := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
	s := step{Kind: rapid.SampledFrom([]string{
		"contend", "contend", "contend", "many", "many", "pass", "odd", "repair", "again", "crash", "crash", "crash",
		"restart", "checkpoint", "checkpoint", "gone", "trim",
	}).Draw(t, "kind")}
	switch s.Kind {
	case "contend":
		s.Contest = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) contest {
			return contest{
				Client: rapid.IntRange(0, 2).Draw(t, "client"), Device: rapid.IntRange(0, 1).Draw(t, "device"),
				Key: rapid.IntRange(0, len(contested)-1).Draw(t, "key"), Value: rapid.IntRange(0, 2).Draw(t, "value"),
				ID: rapid.IntRange(0, 3).Draw(t, "id") == 0, Fix: rapid.IntRange(0, 3).Draw(t, "fix") == 0,
				Twice: rapid.IntRange(0, 4).Draw(t, "twice") == 0,
			}
		}), 1, 9).Draw(t, "contest")
	case "many":
		s.N, s.Flag = rapid.SampledFrom([]int{1, 30, 700}).Draw(t, "n"), rapid.Bool().Draw(t, "backwards")
	case "pass":
		s.From, s.By, s.To, s.N = small("from", slots-2), small("by", 1), small("to", 2), small("n", 120)
	case "odd":
		s.N = 1 + small("n", 3)
	case "crash":
		s.N, s.To, s.Flag = small("n", 60), small("part", 100), rapid.Bool().Draw(t, "zeros")
	case "gone":
		s.Table = rapid.SampledFrom(tables).Draw(t, "table")
	}
	return s
}

// happen makes a step happen and then looks at everything.
func (c *chronicle) happen(s step) {
	switch s.Kind {
	case "contend":
		c.contend(s.Contest)
	case "many":
		c.all(c.many(saysOnce, s.N, s.Flag)).Wait()
	case "pass":
		c.pass(s.From, s.From+s.By, s.To, s.N)
	case "odd":
		c.all(c.many(saysOdd, s.N, false)).Wait()
	case "repair":
		c.repair()
	case "again":
		c.again()
	case "crash":
		c.crash(s.N, s.To, s.Flag)
	case "restart":
		c.restart()
	case "checkpoint":
		c.database("")
		if err := c.s.db.Checkpoint(c.s.ctx); err != nil {
			c.blame("checkpoint: %v", err)
		}
	case "gone":
		c.database(s.Table)
		_ = c.s.db.Checkpoint(c.s.ctx) // it fails when it has something for the table
	case "trim":
		c.s.c.RawRetention = -time.Hour
		c.s.trim(c.s.ctx)
	}
	c.look()
}

// look compares everything that is kept with everything that was answered.
func (c *chronicle) look() {
	if !c.wait() {
		return
	}
	c.glance(saysOne)
	c.glance(saysTwo)
	c.count(saysOnce)
	c.count(saysPassed)
	c.whose()
	c.setAside()
}
