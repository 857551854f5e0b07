package archives

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const archivesDir = "../../../shared/corpus/archives/"

func archived(b *testing.B, name string) string {
	b.Helper()
	path, err := filepath.Abs(archivesDir + name)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			b.Fatal(err)
		}
		b.Skip("no corpus")
	}
	return path
}

// nfdumpFile has nfdump write one file of many copies of the flows of another.
func nfdumpFile(b *testing.B, name string, copies int, compression ...string) string {
	b.Helper()
	path := archived(b, name)
	if _, err := exec.LookPath("nfdump"); err != nil {
		b.Skip("nfdump is not installed")
	}
	dir, file := b.TempDir(), filepath.Join(b.TempDir(), "nfcapd")
	for i := range copies {
		if err := os.Symlink(path, filepath.Join(dir, fmt.Sprintf("nfcapd.%012d", i))); err != nil {
			b.Fatal(err)
		}
	}
	if out, err := exec.Command("nfdump", append([]string{"-R", dir, "-w", file}, compression...)...).CombinedOutput(); err != nil {
		b.Fatalf("nfdump: %v\n%s", err, out)
	}
	return file
}

// inflate is what a program with the C library of zlib cannot do without when it
// reads a flow-tools file.
const inflate = `
import sys, zlib
f = open(sys.argv[1], "rb")
head = f.read(8)
f.seek(int.from_bytes(head[4:8], "little"))
d = zlib.decompressobj()
while block := f.read(1 << 18):
    d.decompress(block)
`

const benchRows = 8192

// flowCat returns the command that reads a flow-tools file in C.
func flowCat(b *testing.B, file string) []string {
	if _, err := exec.LookPath("flow-cat"); err == nil {
		return []string{"flow-cat", file}
	}
	if _, err := exec.LookPath("python3"); err != nil {
		return nil
	}
	b.Log("flow-cat is not installed: compared with the zlib of C alone, which is a part of what it does")
	return []string{"python3", "-c", inflate, file}
}

// readThrough reads a file to its end and returns its records. Its blocks are
// smaller than those of an import, which wait for ClickHouse: nobody waits here.
func readThrough(b *testing.B, plan *Plan, batch *decoder.Batch, file string) (records int) {
	b.Helper()
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := plan.open(f, file)
	if err != nil {
		b.Fatal(err)
	}
	defer plan.close(r)
	for {
		batch.Reset()
		n, err := r.Read(batch, benchRows)
		records += n
		if err == io.EOF {
			return records
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// processorTime is what this process has used, system time included.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReaders reads and decodes files, and in turns has the programs that
// wrote them read them for nothing. Rates are by processor time: of one core.
// The files are of nfdump's and flow-tools' making.
func BenchmarkReaders(b *testing.B) {
	const real = "nfdump/171-ipfix-lz4.nfcapd"
	nfdump := func(b *testing.B, file string) []string { return []string{"nfdump", "-r", file, "-o", "null"} }
	for _, c := range []struct {
		name, format string
		file         func(b *testing.B) string
		other        func(b *testing.B, file string) []string
	}{
		{"nfdump-LZ4", Nfdump, func(b *testing.B) string { return nfdumpFile(b, real, 200, "-y") }, nfdump},
		{"nfdump-LZO", Nfdump, func(b *testing.B) string { return nfdumpFile(b, real, 200, "-z") }, nfdump},
		{"nfdump-BZ2", Nfdump, func(b *testing.B) string { return nfdumpFile(b, real, 20, "-j") }, nfdump},
		{"nfdump-none", Nfdump, func(b *testing.B) string { return nfdumpFile(b, real, 200) }, nfdump},
		{"flow-tools-zlib", FlowTools, func(b *testing.B) string { return archived(b, "large/flowtools-v5-z6.ft") }, flowCat},
	} {
		b.Run(c.name, func(b *testing.B) {
			file := c.file(b)
			other := c.other(b, file)
			plan, err := NewPlan(Options{Format: c.format, Sampling: 1})
			if err != nil {
				b.Fatal(err)
			}
			batch := new(decoder.Batch) // used again, as an import does
			records := readThrough(b, plan, batch, file)
			var ours, theirs time.Duration
			b.ReportAllocs()
			for b.Loop() {
				before := processorTime(b)
				readThrough(b, plan, batch, file)
				ours += processorTime(b) - before
				if other == nil {
					continue
				}
				b.StopTimer()
				cmd := exec.Command(other[0], other[1:]...)
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
				theirs += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				b.StartTimer()
			}
			all := float64(records) * float64(b.N)
			b.ReportMetric(all/ours.Seconds()/1e6, "Mrecords/s")
			if theirs > 0 {
				b.ReportMetric(all/theirs.Seconds()/1e6, "Mrecords/s-"+other[0])
				b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-"+other[0])
			}
		})
	}
}

// benchStore returns the tables of a new embedded ClickHouse.
func benchStore(b *testing.B) (*store.Store, *store.Retention) {
	b.Helper()
	s := enginetest.Start(b)
	flows, err := store.New(store.Config{Dial: s.Dial, Key: s.Key(), Database: "nfstats"}, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { flows.Close() })
	if err := flows.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	days := map[string]int{"flows": 36500, "flows_1m": 36500, "flows_1h": 36500, "if_counters": 400, "calibration": 400}
	retention, err := store.NewRetention(flows, store.RetentionSettings{Days: days}, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	return flows, retention
}

// BenchmarkImport imports files with all that belongs to it, and in turns inserts
// the same rows, decoded before: what ClickHouse alone takes.
func BenchmarkImport(b *testing.B) {
	b.Run("flow-tools-zlib", func(b *testing.B) {
		compareImport(b, FlowTools, archived(b, "large/flowtools-v5-z6.ft"))
	})
	b.Run("nfdump-LZ4", func(b *testing.B) {
		compareImport(b, Nfdump, nfdumpFile(b, "nfdump/171-ipfix-lz4.nfcapd", 200, "-y"))
	})
}

func compareImport(b *testing.B, format, file string) {
	flows, retention := benchStore(b)
	plan, err := NewPlan(Options{Format: format, Sampling: 1})
	if err != nil {
		b.Fatal(err)
	}
	batches := decoded(b, plan, file)
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	var imports, inserts time.Duration
	rows := 0
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		for part, batch := range batches {
			if err := flows.InsertFlows(b.Context(), store.Block{Token: fmt.Sprint("insert", n, part), Collector: "c", Source: "insert"}, batch); err != nil {
				b.Fatal(err)
			}
		}
		inserts += time.Since(began)

		var last Message
		i := &Importer{Plan: plan, Parallel: runtime.GOMAXPROCS(0), Progress: &Progress{Tell: func(m Message) { last = m }}, Open: os.Open, Flows: flows, Retention: retention, Collector: "c"}
		began = time.Now()
		if err := i.Run(b.Context(), []File{{Path: file, Size: info.Size()}}); err != nil {
			b.Fatalf("%v: %v", err, last)
		}
		imports += time.Since(began)
		rows += int(i.Progress.State().Flows)
		b.StopTimer()
		forgetAll(b, flows)
		b.StartTimer()
	}
	b.ReportMetric(float64(rows)/imports.Seconds(), "rows/s")
	b.ReportMetric(float64(rows)/inserts.Seconds(), "rows/s-inserted")
	b.ReportMetric(inserts.Seconds()/imports.Seconds(), "x-insert")
}

func forgetAll(b *testing.B, flows *store.Store) {
	b.Helper()
	all, err := flows.Imports(b.Context(), 0)
	if err != nil {
		b.Fatal(err)
	}
	for _, i := range all {
		if i.State == store.ImportForgotten {
			continue
		}
		if _, err := flows.ForgetImport(b.Context(), i.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// decoded returns all rows of a file, in the blocks that an import inserts.
func decoded(b *testing.B, plan *Plan, file string) (batches []*decoder.Batch) {
	b.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	r, err := plan.open(bytes.NewReader(content), file)
	if err != nil {
		b.Fatal(err)
	}
	for {
		batch := new(decoder.Batch)
		_, err := r.Read(batch, 8192)
		if batch.Len() > 0 {
			batches = append(batches, batch)
		}
		if err == io.EOF {
			return batches
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
