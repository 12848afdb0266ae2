package sim

import (
	"io/fs"
	"path"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/play"
)

// recorderState is a record that is played over and over.
type recorderState struct {
	rec   *play.Recording
	begin vigil.Instant // of the record's first sample, this time around
}

// open opens the device's record so that it begins at an instant. A record that
// cannot be read leaves the recorder silent: it is a device without a signal.
func (g *gadget) open(at vigil.Instant) *recorderState {
	if g.stage.recordings == nil {
		return nil
	}
	rec, err := play.Open(g.stage.recordings, g.Recording, "atr", nil, 2*block)
	if err != nil {
		return nil
	}
	rec.SetStart(at)
	return &recorderState{rec, at}
}

func startRecorder(g *gadget) {
	s := g.open(g.stage.start)
	if s == nil {
		return
	}
	g.state = s
	g.follow()
	next := g.stage.start.Add(2 * block)
	g.tasks = append(g.tasks, task{next, g.playBlock, func(at vigil.Instant) vigil.Instant { return at.Add(2 * block) }})
}

// playBlock sends the block that has just ended; at the end of the record it
// begins again.
func (g *gadget) playBlock(at vigil.Instant) {
	s := g.state.(*recorderState)
	_, payload, err := s.rec.Next()
	if err != nil {
		_ = s.rec.Close() // it was only read
		if s = g.open(at); s == nil {
			g.silent = true
			return
		}
		g.state = s
		g.follow()
		return
	}
	if payload != nil {
		g.say(at, payload)
	}
}

// follow makes the person's heart beat with the record, so that pulse and
// numbers belong to the ECG that is shown.
func (g *gadget) follow() {
	s := g.state.(*recorderState)
	beats := s.rec.Beats()
	if len(beats) == 0 || g.stage.person == nil {
		return
	}
	i := 0
	g.stage.person.Waves.Follow(func() (vigil.Instant, bool) {
		if i >= len(beats) {
			return 0, false
		}
		i++
		return s.begin + beats[i-1], true
	})
}

// HasRecording tells whether a folder holds the record, header and samples.
func HasRecording(fsys fs.FS, name string) bool {
	rec, err := play.Open(fsys, name, "atr", nil, time.Second)
	return err == nil && rec.Close() == nil
}

// replay puts a recorder with a real ECG onto a bed; its monitor shows the rest.
func (h *builder) replay(s *Scene) {
	d := h.device("recorder-"+s.Location.Name, "ECG recorder, record "+path.Base(h.recording), "ecg-recorder")
	d.Recording = h.recording
	s.Devices = append(s.Devices, d)
	s.Devices[0].Parts = append(s.Devices[0].Parts, "no-ecg")
}
