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

// tables are those whose writing may fail before a crash: often there is none.
var tables = []string{"", "", "", "", "", "", "positions", "series", "heads", "chunks", "seen", "events", "quarantine", "moves"}

// anyOf draws one of a list. rapid likes the first ones best; here all are alike.
func anyOf[T any](t *rapid.T, name string, list ...T) T {
	n := rapid.Uint32().Draw(t, name)
	return list[uint64(n*2654435769)*uint64(len(list))>>32]
}

// drawStep draws a step.
func drawStep(t *rapid.T) step {
	small := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
	s := step{Kind: anyOf(t, "kind",
		"contend", "contend", "contend", "many", "many", "pass", "pass", "odd", "repair", "again", "crash", "crash", "crash",
		"restart", "checkpoint", "checkpoint", "trim")}
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
		s.N, s.Flag = anyOf(t, "n", 1, 30, 700), rapid.Bool().Draw(t, "backwards")
	case "pass":
		s.From, s.By, s.To, s.N = small("from", slots-2), small("by", 1), small("to", 2), small("n", 120)
	case "odd":
		s.N = 1 + small("n", 3)
	case "crash":
		s.N, s.To, s.Flag = small("n", 60), small("part", 100), rapid.Bool().Draw(t, "zeros")
		s.Table = anyOf(t, "table", tables...)
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
		if c.database(s.Table); s.Table != "" {
			_ = c.s.db.Checkpoint(c.s.ctx) // it fails when it has something for the table
		}
		c.crash(s.N, s.To, s.Flag)
	case "restart":
		c.restart()
	case "checkpoint":
		c.database("")
		if err := c.s.db.Checkpoint(c.s.ctx); err != nil {
			c.blame("checkpoint: %v", err)
		}
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
