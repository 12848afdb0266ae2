package stream

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/vigil-iomt/vigil"
)

// cluster starts three servers that form a cluster and waits until they have a
// leader.
func cluster(t *testing.T) []*server.Server {
	t.Helper()
	dir := t.TempDir()
	var routes []*url.URL
	var ports []int
	for range 3 { // the servers must know each other's ports before they start
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var out []*server.Server
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("node", i), Host: "127.0.0.1", Port: -1,
			Cluster:   server.ClusterOpts{Name: "vigil", Host: "127.0.0.1", Port: port},
			Routes:    routes,
			JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprint(i)), SyncAlways: true, NoSigs: true, NoLog: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { stopServer(s) })
		out = append(out, s)
	}
	until(t, "the cluster has a leader", func() bool {
		for _, s := range out {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(out) {
				return true
			}
		}
		return false
	})
	return out
}

// until waits for a condition that nobody announces.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestThreeProcessesOnThreeServers: three processes write to, and read from,
// streams with three replicas; a server is stopped in the middle. All
// acknowledged records are there once, in the same order for everybody, and the
// partitions stay shared. With an Answer of 15 ms it was seen to fail (five
// records twice) when the search gave up its doubts too early.
func TestThreeProcessesOnThreeServers(t *testing.T) {
	const partitions, senders, each = 2, 10, 60
	servers := cluster(t)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	node := func() *Journal {
		return open(t, "", func(c *Config) {
			c.URL, c.Replicas, c.Partitions = strings.Join(urls, ","), 3, partitions
			c.Answer = 100 * time.Millisecond // so that some outcomes are not known
		})
	}
	r := newRegistrar(t)
	var nodes []*Journal
	for n := range 3 {
		j := node()
		nodes = append(nodes, j)
		share(t, j, r, fmt.Sprint("process", n), func(c *ShareConfig) { c.TTL = 30 * time.Second })
	}
	ms := testMetrics()
	var done, refused atomic.Int64
	var wg sync.WaitGroup
	for n, j := range nodes {
		for a := range senders {
			wg.Go(func() {
				for i := 0; i < each; {
					switch err := put(j, vitals(ms, 100*n+a, i)); vigil.KindOf(err) {
					case vigil.Overloaded, vigil.Unavailable: // as a device does: once more
						refused.Add(1)
					default:
						if err != nil {
							t.Errorf("append: %v", err)
						}
						done.Add(1)
						i++
					}
				}
			})
		}
	}
	until(t, "a third is written", func() bool { return done.Load() > 3*senders*each/3 })
	stopServer(servers[leaderOf(t, nodes[0])])
	wg.Wait()
	sameForAll(t, nodes, 3*senders*each, int(refused.Load()))
	until(t, "every partition is held", func() bool {
		ls, err := nodes[0].Holders(t.Context())
		if err != nil {
			return false // an answer that came too late
		}
		held := 0
		for _, l := range ls {
			if l.Live {
				held++
			}
		}
		return held == partitions
	})
}

// leaderOf returns which server leads the first partition.
func leaderOf(t *testing.T, j *Journal) int {
	t.Helper()
	info, err := j.parts[0].stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscanf(info.Cluster.Leader, "node%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// sameForAll fails unless every node reads the same records in the same order,
// each once and so many of them. A record whose first attempt was refused may be
// there although it was sent again: then both are.
func sameForAll(t *testing.T, nodes []*Journal, want, refused int) {
	t.Helper()
	var seen []string
	for n, j := range nodes {
		var mine []string
		once, doubled := map[string]bool{}, 0
		for p := range j.Partitions() {
			until(t, "the servers answer", func() bool {
				return vigil.KindOf(j.parts[p].reaches(t.Context(), 1<<40)) == vigil.Conflicting
			})
			for _, f := range all(t, j, p, 0) {
				for _, r := range f.Records {
					id := r.Subject.ID + r.Message.ID
					if once[id] {
						doubled++
					}
					once[id] = true
					mine = append(mine, fmt.Sprint(p, f.Seq, id))
				}
			}
		}
		if len(once) != want {
			t.Errorf("node %d reads %d records, want %d", n, len(once), want)
		}
		if doubled > refused {
			t.Errorf("node %d reads %d records twice; %d were refused and sent again", n, doubled, refused)
		}
		if n == 0 {
			seen = mine
		} else if fmt.Sprint(seen) != fmt.Sprint(mine) {
			t.Errorf("node %d reads other records, or in another order, than node 0", n)
		}
	}
}
