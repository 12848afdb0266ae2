package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	paho5 "github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol/mqtt"
	"github.com/vigil-iomt/vigil/protocol/protocoltest"
)

// serve runs a driver on a free port and returns it with its address. stop ends
// it and says what Run returned.
func serve(t testing.TB, c mqtt.Config, sink vigil.Sink) (d *mqtt.Driver, addr string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Listeners = []net.Listener{l}
	if c.Auth == nil {
		c.Auth = protocoltest.NewDevices()
	}
	d = mqtt.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- d.Run(ctx, sink) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	t.Cleanup(func() { _ = stop() })
	addr = d.Addr(ctx)
	return d, addr, stop
}

// topicOf is where a message is published.
func topicOf(self vigil.DeviceID, m protocoltest.Message) string {
	if m.Device != "" {
		self = m.Device
	}
	topic := "devices/" + string(self) + "/messages"
	if m.Channel != "" {
		topic += "/" + m.Channel
	}
	return topic
}

// old is a client of MQTT 3.1.1.
type old struct {
	c    paho3.Client
	self vigil.DeviceID
	qos  byte
}

func dialOld(addr string, id vigil.DeviceID, secret, clientID string, qos byte) (*old, error) {
	o := paho3.NewClientOptions().AddBroker("tcp://" + addr).SetUsername(string(id)).SetPassword(secret).
		SetClientID(clientID).SetAutoReconnect(false).SetConnectRetry(false).SetProtocolVersion(4).
		SetConnectTimeout(5 * time.Second).SetOrderMatters(false)
	c := paho3.NewClient(o)
	tok := c.Connect()
	if !tok.WaitTimeout(10 * time.Second) {
		return nil, errors.New("no answer to CONNECT")
	}
	return &old{c, id, qos}, tok.Error()
}

func (o *old) Send(ctx context.Context, m protocoltest.Message) error {
	tok := o.c.Publish(topicOf(o.self, m), o.qos, false, m.Payload)
	select {
	case <-tok.Done():
		return tok.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *old) Close() { o.c.Disconnect(0) }

// modern is a client of MQTT 5.
type modern struct {
	c    *paho5.Client
	self vigil.DeviceID
	qos  byte
	gone chan byte // reason codes of DISCONNECT
}

func dialModern(addr string, id vigil.DeviceID, secret string, qos byte, change func(*paho5.Connect)) (*modern, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	m := &modern{self: id, qos: qos, gone: make(chan byte, 4)}
	m.c = paho5.NewClient(paho5.ClientConfig{
		Conn: nc, PacketTimeout: 30 * time.Second,
		OnServerDisconnect: func(d *paho5.Disconnect) { m.gone <- d.ReasonCode },
	})
	cp := &paho5.Connect{
		KeepAlive: 30, CleanStart: true, Username: string(id), UsernameFlag: true,
		Password: []byte(secret), PasswordFlag: true,
	}
	if change != nil {
		change(cp)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := m.c.Connect(ctx, cp); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return m, nil
}

func (m *modern) Send(ctx context.Context, msg protocoltest.Message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // the client does not tell a waiting Publish that the connection ended
		select {
		case <-m.c.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	p := &paho5.Publish{QoS: m.qos, Topic: topicOf(m.self, msg), Payload: msg.Payload}
	if msg.ID != "" {
		p.Properties = &paho5.PublishProperties{User: paho5.UserProperties{{Key: "other", Value: "x"}, {Key: "id", Value: msg.ID}}}
	}
	r, err := m.c.Publish(ctx, p)
	if err == nil && r.ReasonCode >= 0x80 {
		err = fmt.Errorf("reason code 0x%02x", r.ReasonCode)
	}
	return err
}

func (m *modern) Close() { _ = m.c.Disconnect(&paho5.Disconnect{}) }

// quiet is a log for drivers under test.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestContract(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		for _, version := range []int{4, 5} {
			t.Run(fmt.Sprintf("version %d qos %d", version, qos), func(t *testing.T) {
				protocoltest.Suite{
					NoID: version == 4,
					Start: func(t *testing.T, o protocoltest.Options) protocoltest.Server {
						_, addr, stop := serve(t, mqtt.Config{
							Auth: o.Auth, MaxPayload: o.MaxPayload, Drain: o.Drain, Now: o.Now, Log: quiet(),
						}, o.Sink)
						return protocoltest.Server{
							Stop: stop,
							Raw:  func() (net.Conn, error) { return net.Dial("tcp", addr) },
							Dial: func(id vigil.DeviceID, secret string) (protocoltest.Speaker, error) {
								if version == 5 {
									return dialModern(addr, id, secret, qos, nil)
								}
								return dialOld(addr, id, secret, string(id), qos)
							},
						}
					},
				}.Run(t)
			})
		}
	}
}
