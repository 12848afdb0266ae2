package mqtt

import (
	"strings"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-iomt/vigil"
)

// A hook is what the broker asks about logins, subscriptions and wills.
type hook struct {
	mochi.HookBase
	d *Driver
}

// ID names the hook to the broker.
func (h *hook) ID() string { return "vigil" }

// Provides lists the questions that are answered here.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnPacketRead, mochi.OnConnectAuthenticate, mochi.OnSessionEstablish, mochi.OnACLCheck,
		mochi.OnPacketEncode, mochi.OnDisconnect, mochi.OnWillSent, mochi.OnClientExpired:
		return true
	}
	return false
}

// connOf returns the front of a client; nil for the driver's own.
func connOf(cl *mochi.Client) *conn {
	c, _ := cl.Net.Conn.(*conn)
	return c
}

// maxClientID is the most bytes in a client id.
const maxClientID = 128

// OnPacketRead prepares a CONNECT: the client id moves into the name space of
// the user, so that sessions of different devices can never meet; nothing is
// retained; and topics to the client are written out, because an alias would not
// survive its session being resumed.
func (h *hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	c := connOf(cl)
	if pk.FixedHeader.Type != packets.Connect || c == nil || c.client != nil {
		return pk, nil
	}
	c.client = cl
	c.version = pk.ProtocolVersion
	c.problems = !pk.Properties.RequestProblemInfoFlag || pk.Properties.RequestProblemInfo != 0
	c.patience = time.Duration(pk.Connect.Keepalive) * 1500 * time.Millisecond
	c.clientID = pk.Connect.ClientIdentifier
	user := string(pk.Connect.Username)
	switch {
	case pk.Properties.AuthenticationMethod != "":
		c.refusal = codeAuthMethod
	case !vigil.ValidID(user):
		c.refusal = codeCredentials
	case len(c.clientID) > maxClientID, c.clientID == "" && !pk.Connect.Clean && c.version < 5:
		c.refusal = codeClientID
	}
	if c.clientID == "" {
		c.clientID = vigil.NewID(h.d.c.Now())
		c.assigned = c.clientID
	}
	pk.Connect.ClientIdentifier = user + "/" + c.clientID
	pk.Connect.WillRetain = false
	pk.Properties.TopicAliasMaximum = 0
	return pk, nil
}

// OnConnectAuthenticate decides about a login. It runs on the connection's own
// goroutine: a slow authenticator holds up nobody else.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	c := connOf(cl)
	if c == nil {
		return false
	}
	if c.refusal == 0 {
		c.refusal = h.d.login(c, pk)
	}
	if c.refusal != 0 {
		h.d.stats.turned.Add(1)
		h.d.c.Log.Warn("mqtt login refused", "remote", c.RemoteAddr().String(), "code", int(c.refusal))
		return false
	}
	if !pk.Properties.SessionExpiryIntervalFlag {
		cl.Properties.Will.WillDelayInterval = 0 // the session ends with the connection, and the will with it
	}
	c.mu.Lock()
	c.ready = true
	if c.patience == 0 && !c.stopping {
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
	c.mu.Unlock()
	h.d.stats.connected.Add(1)
	return true
}

// login returns 0, or the reason code of a refusal.
func (d *Driver) login(c *conn, pk packets.Packet) byte {
	dev, err := d.c.Auth.Authenticate(d.ctx, vigil.DeviceID(pk.Connect.Username), string(pk.Connect.Password))
	if err != nil {
		return loginCode(vigil.KindOf(err))
	}
	if string(dev.ID) != string(pk.Connect.Username) {
		return codeCredentials
	}
	c.device = dev
	if pk.Connect.WillFlag {
		t, code := parseTopic(pk.Connect.WillTopic, dev.ID)
		if code != 0 || !c.may(t.device) {
			return codeNotAuthorized
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		return codeUnavailable
	}
	if claimed := vigil.DeviceID(claim(c.clientID)); claimed != dev.ID && d.devices[claimed] != nil {
		return codeClientID
	}
	p := d.devices[dev.ID]
	if p == nil {
		p = &presence{conns: map[*conn]struct{}{}}
		d.devices[dev.ID] = p
	}
	p.conns[c] = struct{}{}
	return 0
}

// claim returns the device that a client id names: all of it, or what comes
// before the first : or /.
func claim(clientID string) string {
	if i := strings.IndexAny(clientID, ":/"); i >= 0 {
		return clientID[:i]
	}
	return clientID
}

// OnSessionEstablish gives the connection its session.
func (h *hook) OnSessionEstablish(cl *mochi.Client, pk packets.Packet) {
	if c := connOf(cl); c != nil {
		h.d.resume(c, cl.ID, pk.Connect.Clean)
	}
}

// OnACLCheck allows a client to listen to its own commands, and those of the
// devices that it may speak for. Writing does not come past here: the front has
// taken it.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	c := connOf(cl)
	if c == nil || write {
		return false
	}
	id, ok := commandsOf(topic)
	return ok && c.may(id)
}

// OnPacketEncode completes CONNACK: the true reason of a refusal, in the words of
// the client's version, and what this server can and cannot do.
func (h *hook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	c := connOf(cl)
	if pk.FixedHeader.Type != packets.Connack || c == nil {
		return pk
	}
	if pk.ReasonCode != 0 {
		if c.refusal != 0 {
			pk.ReasonCode = c.refusal
			pk.Properties.ReasonString = ""
		}
		if c.version < 5 && pk.ReasonCode >= 0x80 {
			pk.ReasonCode = oldLoginCode(pk.ReasonCode)
		}
		return pk
	}
	p := &pk.Properties
	p.AssignedClientID = c.assigned
	p.TopicAliasMaximum = maxAliases
	p.MaximumPacketSize = uint32(h.d.c.MaxPayload + maxTopics) // #nosec G115 -- far below 4 GiB
	p.RetainAvailable, p.RetainAvailableFlag = 0, true
	p.SharedSubAvailable, p.SharedSubAvailableFlag = 0, true
	return pk
}

// OnDisconnect ends or keeps the session.
func (h *hook) OnDisconnect(cl *mochi.Client, _ error, expire bool) {
	if c := connOf(cl); c != nil {
		h.d.leave(c, cl, expire)
	}
}

// OnClientExpired sends the will that was delayed until now and forgets the
// session.
func (h *hook) OnClientExpired(cl *mochi.Client) {
	c := connOf(cl)
	if c == nil {
		return
	}
	if w := cl.Properties.Will; w.Flag == 1 && w.WillDelayInterval > 0 {
		h.will(c, packets.Packet{
			TopicName: w.TopicName, Payload: w.Payload, FixedHeader: packets.FixedHeader{Qos: w.Qos},
			Properties: packets.Properties{User: w.User},
		})
	}
	h.d.expire(c, cl.ID)
}

// OnWillSent takes the will of a client that went without a word. A will that was
// delayed is void when the client is back by now.
func (h *hook) OnWillSent(cl *mochi.Client, pk packets.Packet) {
	late := pk.Connect.WillProperties.WillDelayInterval > 0
	if c := connOf(cl); c != nil && !(late && !cl.Closed()) {
		h.will(c, pk)
	}
}

// will hands a will to the sink as a message like any other. A server that stops
// takes none: the device is not to blame for that. Its right was checked at the
// login.
func (h *hook) will(c *conn, pk packets.Packet) {
	t, code := parseTopic(pk.TopicName, c.device.ID)
	c.mu.Lock()
	quiet := c.silenced || c.willFired
	c.willFired = true
	c.mu.Unlock()
	if quiet || code != 0 || !c.may(t.device) {
		return
	}
	m := vigil.Message{
		Device: t.device, Channel: t.channel, Protocol: "mqtt", Arrived: vigil.InstantOf(h.d.c.Now()),
		Payload: append([]byte(nil), pk.Payload...), BestEffort: pk.FixedHeader.Qos == 0,
	}
	if t.device != c.device.ID {
		m.Gateway = c.device.ID
	}
	for _, u := range pk.Properties.User {
		if u.Key == "id" {
			m.ID = u.Val
		}
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.d.stopping {
		return
	}
	h.d.stats.wills.Add(1)
	h.d.running.Go(func() { c.put(m, h.d.count) })
}
