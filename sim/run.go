package sim

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/play"
	"github.com/vigil-iomt/vigil/sim/wire"
)

// A Config says what Run simulates and where it sends it. MQTT or HTTP must be
// set; with both, devices of wards and homes use MQTT.
type Config struct {
	Plan *Plan
	// MQTT is the broker, tcp://127.0.0.1:1883 or ssl://host:8883: one
	// connection per device, QoS 1.
	MQTT string
	// HTTP is the server's base, http://127.0.0.1:8080: batches of NDJSON.
	HTTP string
	// Secrets are the devices' passwords, as Plan.Register returns them.
	Secrets map[vigil.DeviceID]string
	TLS     *tls.Config
	// Client replaces the HTTP client, for a socket; nil is a plain one.
	Client *http.Client
	// Recordings holds WFDB records that ecg-recorders play; may be nil.
	Recordings fs.FS
	// Speed is simulated time per real time, 1 if 0. Above 1 the run needs
	// For: it then begins in the past, so that it ends at the real time, and
	// no reading lies in the future.
	Speed float64
	// For is how long, in simulated time, to run; 0 is until ctx is done.
	For time.Duration
	Now func() time.Time // time.Now if nil
	Log *slog.Logger     // discards if nil
}

// Run simulates the plan against a server until ctx is done or the time is up.
// Devices that have no connection keep what they measured, within bounds, and
// send it when they are back. It returns nil when ctx was cancelled.
func Run(ctx context.Context, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Speed == 0 {
		c.Speed = 1
	}
	if c.Speed < 0 || c.Speed > 1 && c.For == 0 {
		return vigil.Errorf(vigil.Invalid, "a speed other than 1 needs a length of time to simulate")
	}
	out := &paced{c: c, began: c.Now(), start: startOf(c)}
	defer out.close()
	switch {
	case c.MQTT != "":
		out.mqtt = wire.NewMQTT(wire.MQTTConfig{URL: c.MQTT, Secret: c.secret, TLS: c.TLS, Log: c.Log})
		out.sender = out.mqtt
	case c.HTTP != "":
		out.sender = wire.NewHTTP(wire.HTTPConfig{URL: c.HTTP, Client: c.Client, Secret: c.secret, Batch: 50, Now: c.Now})
	default:
		return vigil.Errorf(vigil.Invalid, "neither an MQTT broker nor an HTTP server is given")
	}
	until := never
	if c.For > 0 {
		until = out.start.Add(c.For)
	}
	err := Generate(ctx, c.Plan, c.Recordings, out.start, until, out)
	if err == nil {
		err = flush(ctx, out.sender)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (c *Config) secret(id vigil.DeviceID) string { return c.Secrets[id] }

// startOf returns the simulated time at which a run begins, a whole
// millisecond.
func startOf(c Config) vigil.Instant {
	now := c.Now().Truncate(time.Millisecond)
	if c.Speed > 1 {
		now = now.Add(-time.Duration(float64(c.For) * (1 - 1/c.Speed)))
	}
	return vigil.InstantOf(now.Truncate(time.Millisecond))
}

// paced is an Output that waits until a line's time has come.
type paced struct {
	c       Config
	began   time.Time
	start   vigil.Instant
	sender  play.Sender
	mqtt    *wire.MQTT
	flushed time.Time
}

// wait waits until the simulated time has come.
func (p *paced) wait(ctx context.Context, at vigil.Instant) error {
	due := p.began.Add(time.Duration(float64(at.Sub(p.start)) / p.c.Speed))
	d := due.Sub(p.c.Now())
	if d <= 0 {
		return nil
	}
	// Batches do not wait for the next line.
	if p.mqtt == nil && p.c.Now().Sub(p.flushed) > 200*time.Millisecond {
		p.flushed = p.c.Now()
		if err := flush(ctx, p.sender); err != nil {
			return err
		}
	}
	return hold(ctx, d)
}

// Line waits for the line's time and sends it.
func (p *paced) Line(ctx context.Context, at vigil.Instant, l vigil.Message) error {
	if err := p.wait(ctx, at); err != nil {
		return err
	}
	return p.sender.Send(ctx, l)
}

// Link breaks a device's connection, or lets it come back.
func (p *paced) Link(ctx context.Context, at vigil.Instant, device vigil.DeviceID, up bool) error {
	if err := p.wait(ctx, at); err != nil {
		return err
	}
	if p.mqtt != nil {
		p.mqtt.Cut(device, !up)
	}
	return nil
}

func (p *paced) close() {
	if p.mqtt == nil {
		return
	}
	s := p.mqtt.Stats()
	p.c.Log.Info("simulation ended", "sent", s.Sent, "acknowledged", s.Acknowledged, "dropped", s.Dropped, "connects", s.Connects)
	p.mqtt.Close()
}

// flush waits for a sender that can be waited for.
func flush(ctx context.Context, s play.Sender) error {
	if f, ok := s.(play.Flusher); ok {
		return f.Flush(ctx)
	}
	return nil
}

// hold waits for d or until ctx is done.
func hold(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
