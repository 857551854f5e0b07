package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// faultTest is one run of TestFaults.
type faultTest struct {
	*daemon
	random   *rand.Rand
	record   *recorder
	tmpfs    string // the journal's own small file system; "": none
	damaged  map[uint32]bool
	survived int
	wasFull  bool
}

// faults are what goes wrong at random times. After each, the daemon runs.
var faults = []struct {
	name string
	do   func(f *faultTest)
}{
	{"kill the daemon", func(f *faultTest) { f.killDaemon(false); f.start() }},
	{"kill the engine", func(f *faultTest) { syscall.Kill(f.engineOf(), syscall.SIGKILL); f.survived++ }},
	{"kill both", func(f *faultTest) { f.killDaemon(true); f.start() }},
	{"stop the engine for a while", func(f *faultTest) { f.pause(f.engineOf(), 3*time.Second) }},
	{"stop the daemon for a while", func(f *faultTest) { f.pause(f.cmd.Process.Pid, time.Second) }},
	{"kill the daemon while it starts", func(f *faultTest) {
		f.killDaemon(false)
		f.launch()
		time.Sleep(time.Duration(f.random.IntN(1500)) * time.Millisecond)
		f.kill()
		f.survived++
		f.start()
	}},
	{"kill the daemon, damage the last segment", func(f *faultTest) {
		f.killDaemon(false)
		lost, what, err := f.record.damageLast(f.random)
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Logf("  %s: %d datagrams gone", what, len(lost))
		for n := range lost {
			f.damaged[n] = true
		}
		f.start()
	}},
	{"fill the disk", func(f *faultTest) { f.fillDisk() }},
}

func (f *faultTest) killDaemon(engineFirst bool) {
	if engineFirst {
		syscall.Kill(f.engineOf(), syscall.SIGKILL)
	}
	f.kill()
	f.survived++
}

func (f *faultTest) pause(pid int, atMost time.Duration) {
	syscall.Kill(pid, syscall.SIGSTOP)
	time.Sleep(time.Duration(f.random.Int64N(int64(atMost))))
	syscall.Kill(pid, syscall.SIGCONT)
}

// fillDisk leaves the journal no room for a while. Meanwhile datagrams are in
// memory, which a kill would take away: there is none until they are on disk.
func (f *faultTest) fillDisk() {
	if f.tmpfs == "" {
		f.t.Log("  skipped: this user may not mount a small file system")
		return
	}
	f.wasFull = true
	release := f.fill(f.tmpfs)
	time.Sleep(time.Duration(500+f.random.IntN(2500)) * time.Millisecond)
	release()
	f.eventually("the journal is on disk again", func() error {
		if n, err := f.metric("nfstats_journal_memory_bytes"); err != nil || n > 0 {
			return fmt.Errorf("%v bytes in memory: %v", n, err)
		}
		return nil
	})
}

// TestFaults sends numbered datagrams while the daemon, its ClickHouse and the
// disk are maltreated. In the end each datagram that was journaled has its flows
// stored exactly once. NFSTATS_FAULTS sets the number of faults,
// NFSTATS_FAULTS_SEED repeats a run.
func TestFaults(t *testing.T) {
	number, long := len(faults), false
	if s := os.Getenv("NFSTATS_FAULTS"); s != "" {
		var err error
		if number, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
		long = true
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("NFSTATS_FAULTS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("NFSTATS_FAULTS_SEED=%d", seed)
	f := &faultTest{daemon: newDaemon(t, "NFSTATS_COLLECTOR_JOURNAL_SEGMENT_SIZE=2MiB", "NFSTATS_COLLECTOR_BLOCK_AGE=200ms", "NFSTATS_LOG_LEVEL=warn"),
		random: rand.New(rand.NewPCG(seed, 0)), damaged: map[uint32]bool{}}
	if dir, ok := f.smallDisk("journal", "48m"); ok {
		f.tmpfs = dir
	}
	f.record = startRecorder(t, filepath.Join(f.dir, "journal"))
	before := udpCounters(t)
	f.start()
	s := startStream(f.daemon, 1000)
	time.Sleep(time.Second)
	order := f.random.Perm(len(faults))
	for i := range number {
		fault := faults[order[i%len(order)]]
		t.Logf("%s", fault.name)
		fault.do(f)
		time.Sleep(time.Duration(f.random.IntN(2000)) * time.Millisecond)
	}
	s.wait()
	f.settle()
	after := udpCounters(t)
	f.compare(s, after.since(before), long)
}

// smallDisk makes a folder of the daemon's a file system of its own, where that is
// allowed; in CI it must be.
func (d *daemon) smallDisk(name, size string) (dir string, ok bool) {
	d.t.Helper()
	dir = filepath.Join(d.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			d.t.Fatalf("mount a small disk: %v", err)
		}
		return dir, false
	}
	d.t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			d.t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir, true
}

// fill takes all room on the disk of a folder, until release.
func (d *daemon) fill(dir string) (release func()) {
	d.t.Helper()
	file, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	for err == nil {
		_, err = file.Write(buffer)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatal(err)
	}
	return func() {
		file.Close()
		if err := os.Remove(file.Name()); err != nil {
			d.t.Fatal(err)
		}
	}
}

// settle waits until nothing is left to store.
func (f *faultTest) settle() {
	f.t.Helper()
	f.eventually("everything is stored", func() error {
		n, err := f.metric("nfstats_journal_unstored_datagrams")
		if err != nil || n > 0 {
			return fmt.Errorf("%v datagrams wait: %v", n, err)
		}
		_, err = f.number("SELECT 1")
		return err
	})
	time.Sleep(time.Second) // what is sent twice would have come by now
}
