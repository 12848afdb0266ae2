package topic

import (
	"net/netip"
	"net/url"
)

// Allows tells whether something may be sent to an address.
func Allows(e Endpoints, address string) bool { return e.allow(address) == nil }

// Dialable tells whether an address may be dialled for an endpoint.
func Dialable(e Endpoints, address, addr string) bool {
	u, err := url.Parse(address)
	return err == nil && e.dialable(u, netip.MustParseAddr(addr))
}

// Said reads a message of a client of a WebSocket.
func Said(text string) (kind, arg string) { return said(text) }

// Valid tells whether a token is.
func (d *Desk) Valid(token string) bool {
	_, err := d.vault.pass(token, d.now())
	return err == nil
}
