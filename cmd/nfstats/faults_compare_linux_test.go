package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// compare is the proof.
func (f *faultTest) compare(s *stream, kernel udpCounts, long bool) {
	t := f.t
	journaled, err := f.record.journaled()
	if err != nil {
		t.Fatal(err)
	}
	found, err := f.storedNumbers()
	if err != nil {
		t.Fatal(err)
	}
	var rows, expected, duplicates, missing, partial, unknown uint64
	for n := range journaled {
		switch rows := found[n]; {
		case !f.damaged[n]:
			expected += streamFlows
			if rows.count == 0 {
				missing++
			}
		case rows.count > 0: // stored before it was damaged
			expected += streamFlows
		}
		if journaled[n] > 1 {
			t.Errorf("datagram %d is journaled %d times", n, journaled[n])
		}
	}
	for n, r := range found {
		rows += r.count
		switch {
		case r.count > r.distinct:
			duplicates += r.count - r.distinct
		case r.count < streamFlows:
			partial++
		}
		if journaled[n] == 0 {
			unknown++ // it was in memory while the disk was full, and stored from there
			expected += streamFlows
		}
	}
	t.Logf("sent %d datagrams, received by the kernel %d (no port open %d, buffer full %d), journaled %d (and %d in memory only), destroyed by the test %d; rows expected %d, found %d; duplicates %d; kills survived %d",
		s.sent, int64(s.sent)-kernel.noPorts-kernel.bufferErrors, kernel.noPorts, kernel.bufferErrors, len(journaled), unknown, len(f.damaged), expected, rows, duplicates, f.survived)
	if rows != expected || missing+partial+duplicates > 0 || unknown > 0 && !f.wasFull {
		t.Errorf("%d datagrams are missing, %d are stored in part, %d rows twice, %d not journaled", missing, partial, duplicates, unknown)
	}
	if len(journaled) < int(s.sent)/10 {
		t.Errorf("only %d of %d datagrams were journaled", len(journaled), s.sent)
	}
	f.compareRollups(long)
}

// compareRollups compares flows_1m with the flows that are rolled up.
func (f *faultTest) compareRollups(all bool) {
	const rolled = "(SELECT max(rolled_to) FROM rollups WHERE collector = 'test' AND source = '')"
	if all {
		f.expectNumber("everything is rolled up", "SELECT count() FROM flows WHERE time_received >= "+rolled, 0)
	}
	f.eventually("the rollups' sums equal those of flows", func() error {
		rows, err := f.query(`SELECT
			(SELECT (sum(flows), sum(bytes), sum(packets)) FROM flows_1m) AS minutes,
			(SELECT (sum(flows), sum(bytes), sum(packets)) FROM flows_1h) AS hours,
			(SELECT (count(), sum(bytes), sum(packets)) FROM flows WHERE time_received < ` + rolled + `) AS flows`)
		if err != nil {
			return err
		}
		flows, minutes, hours := fmt.Sprint(rows[0]["flows"]), fmt.Sprint(rows[0]["minutes"]), fmt.Sprint(rows[0]["hours"])
		if flows != minutes || flows != hours {
			return fmt.Errorf("flows, bytes, packets: flows %s, flows_1m %s, flows_1h %s", flows, minutes, hours)
		}
		f.t.Logf("rolled up: flows, bytes, packets of flows, flows_1m and flows_1h are %s", flows)
		return nil
	})
}

type storedRows struct{ count, distinct uint64 }

// storedNumbers returns the rows of each datagram in table flows.
func (f *faultTest) storedNumbers() (map[uint32]storedRows, error) {
	response, err := http.Post(f.sql+"/?database=nfstats", "text/plain", strings.NewReader(
		"SELECT toUInt32(packets), count(), uniqExact(src_port) FROM flows GROUP BY packets FORMAT RowBinary"))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return nil, fmt.Errorf("read what is stored: %s", text)
	}
	found := map[uint32]storedRows{}
	in := bufio.NewReader(response.Body)
	for {
		var row [20]byte
		if _, err := io.ReadFull(in, row[:]); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		found[binary.LittleEndian.Uint32(row[:])] = storedRows{binary.LittleEndian.Uint64(row[4:]), binary.LittleEndian.Uint64(row[12:])}
	}
}

// udpCounts are the kernel's counters of datagrams that no program got, for the
// whole machine.
type udpCounts struct{ noPorts, bufferErrors int64 }

func (c udpCounts) since(o udpCounts) udpCounts {
	return udpCounts{c.noPorts - o.noPorts, c.bufferErrors - o.bufferErrors}
}

func udpCounters(t *testing.T) (c udpCounts) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			value, _ := strconv.ParseInt(fields[i], 10, 64)
			switch name {
			case "NoPorts":
				c.noPorts = value
			case "RcvbufErrors":
				c.bufferErrors = value
			}
		}
	}
	return c
}
