package topic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Endpoints are the hosts that notifications may be sent to. Each is a host, or
// a host and a port; *.example.org stands for every host below example.org, and *
// for every host of the public Internet. A host that is named itself may be
// private and without TLS; one that only a star stands for needs https and a
// public address, whatever its name resolves to. Without any, nothing is sent.
type Endpoints []string

// allow says why nothing may be sent to an address.
func (e Endpoints) allow(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return errors.New("an endpoint is an address such as https://example.org/hook")
	}
	named, starred := e.match(u)
	switch {
	case named:
		return nil
	case !starred:
		return errors.New("notifications may not be sent to this host; its administrator allows hosts with the setting subscription-hosts")
	case u.Scheme != "https":
		return errors.New("notifications are sent with https alone to this host")
	}
	return nil
}

// match tells whether a host is allowed by its name, and by a star.
func (e Endpoints) match(u *url.URL) (named, starred bool) {
	name := strings.ToLower(u.Hostname())
	for _, allowed := range e {
		allowed = strings.ToLower(allowed)
		if allowed == "*" {
			starred = true
			continue
		}
		if below, ok := strings.CutPrefix(allowed, "*."); ok {
			starred = starred || strings.HasSuffix(name, "."+below)
			continue
		}
		if allowed == name || allowed == strings.ToLower(u.Host) || allowed == "["+name+"]" {
			named = true
		}
	}
	return named, starred
}

// dialable tells whether an address may be dialled for a host. Loopback and
// link-local addresses have to be named as such: a name that resolves to one is
// a trick.
func (e Endpoints) dialable(u *url.URL, addr netip.Addr) bool {
	addr = addr.Unmap()
	named, _ := e.match(u)
	literal := u.Hostname() == addr.String() || strings.EqualFold(u.Hostname(), "localhost") && addr.IsLoopback()
	switch {
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsInterfaceLocalMulticast():
		return false
	case addr.IsLoopback() || addr.IsLinkLocalUnicast():
		return named && literal
	case addr.IsPrivate() || slices.ContainsFunc(reserved(), func(p netip.Prefix) bool { return p.Contains(addr) }):
		return named
	}
	return true
}

// reserved are further networks that are not public (RFC 6890): of providers, of
// protocols and of measurements, and IPv4 behind IPv6.
func reserved() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range [...]string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// hostKey carries the address that a connection is for.
type hostKey struct{}

// client returns a client that reaches only what is allowed. It follows no
// redirects and asks no proxy.
func (e Endpoints) client() *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		u, _ := ctx.Value(hostKey{}).(*url.URL)
		d := net.Dialer{Timeout: defaultTimeout, Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || u == nil || !e.dialable(u, to.Addr()) {
				return errNotAllowed
			}
			return nil
		}}
		return d.DialContext(ctx, network, addr)
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dial, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4, MaxIdleConns: 256, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: defaultTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errNotAllowed = fmt.Errorf("this address may not be reached")
