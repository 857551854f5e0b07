package journal_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nfstats/nfstats/collector/journal"
)

// exported returns a burst as routers send it.
func exported(n, octets int) []journal.Datagram {
	burst := make([]journal.Datagram, n)
	for i := range burst {
		burst[i] = journal.Datagram{
			ReceivedMs: time.Now().UnixMilli(),
			Source:     netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 50000),
			LocalPort:  2055,
			Payload:    make([]byte, octets),
		}
	}
	return burst
}

// benchConfig is the default but for a size that keeps the disk calm.
func benchConfig(dir string) journal.Config {
	c := journal.Default()
	c.Dir = dir
	c.MaxSize = 512 << 20
	return c
}

func TestAllocations(t *testing.T) {
	c := config(t.TempDir())
	c.SegmentSize, c.MaxSize = 1<<30, 8<<30
	j := open(t, c)
	burst := exported(64, 1400)
	j.Append(burst)
	if n := testing.AllocsPerRun(100, func() { j.Append(burst) }); n != 0 {
		t.Errorf("appending a burst allocates %v times, want 0", n)
	}
	b := nextNow(t, j)
	defer b.Release()
	var d journal.Datagram
	if n := testing.AllocsPerRun(100, func() {
		for c := b.Cursor(); c.Next(&d); {
		}
	}); n != 0 {
		t.Errorf("iterating a block allocates %v times, want 0", n)
	}
}

// BenchmarkAppend journals bursts of datagrams with syncing and removing of old
// segments beside it. ns/op is for one datagram.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("burst=%d", n), func(b *testing.B) {
			j := open(b, benchConfig(b.TempDir()))
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- j.Run(ctx) }()
			burst := exported(n, 1400)
			b.SetBytes(1400)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += n {
				j.Append(burst)
			}
			b.StopTimer()
			stop()
			<-ended
		})
	}
}

// BenchmarkAppendParallel has one writer for each CPU, as sockets have.
func BenchmarkAppendParallel(b *testing.B) {
	j := open(b, benchConfig(b.TempDir()))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- j.Run(ctx) }()
	b.SetBytes(1400)
	b.ReportAllocs()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.RunParallel(func(p *testing.PB) {
		burst := exported(64, 1400)
		for p.Next() {
			if left.Add(-1)%64 == 0 {
				j.Append(burst)
			}
		}
	})
	b.StopTimer()
	stop()
	<-ended
}

// BenchmarkRead reads what was just appended, block by block, checksums and all.
// ns/op is for one datagram.
func BenchmarkRead(b *testing.B) {
	c := benchConfig(b.TempDir())
	c.MaxSize = 8 << 30
	burst := exported(64, 1400)
	j := open(b, c)
	const filled = 4000 * 64 // 370 MB
	for range filled / 64 {
		j.Append(burst)
	}
	j.Close()
	b.SetBytes(1400)
	b.ReportAllocs()
	b.ResetTimer()
	for read := 0; read < b.N; {
		j := open(b, c)
		j.Drain()
		var d journal.Datagram
		for read < b.N {
			block, err := j.Next(b.Context())
			if err != nil {
				break
			}
			for cursor := block.Cursor(); cursor.Next(&d); {
				read++
			}
			block.Release()
		}
		j.Close()
	}
}

// BenchmarkCommit stores a checkpoint with 2 MB of state.
func BenchmarkCommit(b *testing.B) {
	j := open(b, benchConfig(b.TempDir()))
	state := make([]byte, 2<<20)
	for b.Loop() {
		if err := j.Commit(b.Context(), journal.Position{}, state); err != nil {
			b.Fatal(err)
		}
	}
}
