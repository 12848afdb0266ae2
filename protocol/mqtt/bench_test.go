package mqtt_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol/mqtt"
	"github.com/vigil-iomt/vigil/protocol/protocoltest"
)

const reading = `{"t":1700000000000,"hr":72,"spo2":97,"rr":14,"sys":121,"dia":78,"temp":36.7}`

// BenchmarkOneConnection keeps 64 QoS 1 messages of one connection in flight.
func BenchmarkOneConnection(b *testing.B) { benchmark(b, 1, 64) }

// BenchmarkThousandConnections keeps one message of each connection in flight.
func BenchmarkThousandConnections(b *testing.B) { benchmark(b, 1000, 1) }

func benchmark(b *testing.B, conns, inFlight int) {
	devices := protocoltest.NewDevices()
	for i := range conns {
		devices.Add(vigil.Device{ID: vigil.DeviceID(fmt.Sprint("d-", i))}, "s")
	}
	_, addr, _ := serve(b, mqtt.Config{Auth: devices}, func(_ vigil.Message, done func(error)) { done(nil) })
	var all []*wire
	for i := range conns {
		all = append(all, connect(b, addr, hello{user: fmt.Sprint("d-", i), secret: "s"}))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	var running sync.WaitGroup
	for i, w := range all {
		n := b.N / conns
		if i < b.N%conns {
			n++
		}
		running.Go(func() { pump(b, w, i, n, inFlight) })
	}
	running.Wait()
	b.StopTimer()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/msg")
}

// pump sends n messages with as many in flight; the client itself allocates
// nothing for a message.
func pump(b *testing.B, w *wire, device, n, inFlight int) {
	topic := fmt.Sprintf("devices/d-%d/messages", device)
	p := w.pub(2, 1, topic, reading)
	at := 2 + 2 + len(topic)
	burst := make([]byte, 0, len(p)*inFlight)
	acks := make([]byte, 4*inFlight)
	id := uint16(0)
	for sent, acked := 0, 0; acked < n; {
		burst = burst[:0]
		for sent < n && sent-acked < inFlight {
			id++
			if id == 0 {
				id = 1
			}
			binary.BigEndian.PutUint16(p[at:], id)
			burst = append(burst, p...)
			sent++
		}
		if len(burst) > 0 {
			if _, err := w.nc.Write(burst); err != nil {
				b.Error(err)
				return
			}
		}
		m, err := io.ReadAtLeast(w.nc, acks, 4)
		if err == nil && m%4 != 0 {
			_, err = io.ReadFull(w.nc, acks[m:m+4-m%4])
			m += 4 - m%4
		}
		if err != nil {
			b.Error(err)
			return
		}
		acked += m / 4
	}
}

// BenchmarkIdleConnection reports the memory of a connection that says nothing,
// the client's side in the same process included.
func BenchmarkIdleConnection(b *testing.B) {
	_, addr, _ := serve(b, mqtt.Config{}, func(_ vigil.Message, done func(error)) { done(nil) })
	const conns = 2000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var all []net.Conn
		for range conns {
			w := open(b, addr)
			w.login(hello{})
			all = append(all, w.nc)
			w.r = nil
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		bytes := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
		b.ReportMetric(float64(bytes)/conns, "B/conn")
		for _, nc := range all {
			_ = nc.Close()
		}
	}
}
