package bulk

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
)

// The server fetches only from hosts that its configuration names, so that
// nobody makes it ask addresses that they cannot reach themselves.

// maxHops bounds redirects.
const maxHops = 5

// fetcher is a client that goes only where it may.
func (s *Service) fetcher() *http.Client {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: s.mayDial}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: d.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute, MaxIdleConnsPerHost: 2,
			IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxHops {
				return vigil.Errorf(vigil.Invalid, "too many redirects")
			}
			return s.mayFetch(r.URL.String())
		},
	}
}

// mayFetch refuses addresses that the configuration does not name.
func (s *Service) mayFetch(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return rest.Refuse(http.StatusBadRequest, "value", "%.100q is no address of a file", address)
	}
	if len(s.c.Hosts) == 0 {
		return rest.Refuse(http.StatusForbidden, "forbidden", "this server fetches from nowhere; its setting fhir-import-hosts names hosts that it may fetch from")
	}
	host := strings.ToLower(u.Host)
	if !slices.Contains(s.c.Hosts, host) && !slices.Contains(s.c.Hosts, strings.ToLower(u.Hostname())) {
		return rest.Refuse(http.StatusForbidden, "forbidden", "%.100q is not among the hosts that this server may fetch from", u.Host)
	}
	return nil
}

// mayDial refuses addresses of this machine and of its link that a name has led
// to, unless the configuration names them as they are.
func (s *Service) mayDial(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	ip := at.Addr().Unmap()
	if !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !ip.IsUnspecified() && !ip.IsMulticast() {
		return nil
	}
	host := ip.String()
	for _, h := range s.c.Hosts {
		name := h
		if n, _, err := net.SplitHostPort(h); err == nil {
			name = n
		}
		if name == host || name == "localhost" && ip.IsLoopback() {
			return nil
		}
	}
	return vigil.Errorf(vigil.Forbidden, "a host leads to an address of this machine or its link")
}

// fetch reads what an address gives.
func (s *Service) fetch(ctx context.Context, address string, f func(io.Reader) error) error {
	if err := s.mayFetch(address); err != nil { // the configuration may have changed
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "%.100q is no address of a file", address)
	}
	r.Header.Set("Accept", ndjson)
	r.Header.Set("Accept-Encoding", "gzip")
	a, err := s.http.Do(r)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "the file cannot be fetched: %w", err)
	}
	defer func() { _ = a.Body.Close() }() // it was only read
	if a.StatusCode != http.StatusOK {
		return vigil.Errorf(vigil.Unavailable, "the file cannot be fetched: the answer is %s", a.Status)
	}
	var from io.Reader = a.Body
	if strings.EqualFold(a.Header.Get("Content-Encoding"), "gzip") {
		if from, err = gzip.NewReader(from); err != nil {
			return vigil.Errorf(vigil.Unavailable, "the file is no gzip: %w", err)
		}
	}
	return f(from)
}
