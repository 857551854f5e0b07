package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// admin runs a statement with full rights beside the daemon.
func (d *daemon) admin(sql string) string {
	d.t.Helper()
	out, err := d.command("sql", "--format", "TSV", sql).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", sql, err, out)
	}
	return strings.TrimSpace(string(out))
}

// toPort returns a v5 datagram whose n flows go to a port.
func toPort(port uint16, n int) []byte {
	datagram := v5Datagram(0, n)
	for i := range n {
		binary.BigEndian.PutUint16(datagram[24+48*i+34:], port)
	}
	return datagram
}

// template and data of one IPFIX flow: octets, packets, destination port.
var (
	ipfixTemplate = []byte{0, 10, 0, 36, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 5,
		0, 2, 0, 20, 1, 0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 4, 0, 11, 0, 2}
	ipfixToPort9 = []byte{0, 10, 0, 30, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 5,
		1, 0, 0, 14, 0, 0, 5, 220, 0, 0, 0, 3, 0, 9}
)

// TestRefusedBlocksAreSetAsideAndReplayed lets ClickHouse refuse flows to port 9.
func TestRefusedBlocksAreSetAsideAndReplayed(t *testing.T) {
	d := newDaemon(t)
	d.start()
	d.send("127.0.0.8", ipfixTemplate)
	d.admin("ALTER TABLE nfstats.flows ADD CONSTRAINT no_discard CHECK dst_port != 9")
	d.send("127.0.0.7", toPort(9, 20))
	d.send("127.0.0.8", ipfixToPort9) // decoding it needs the state of an earlier block
	d.eventually("the blocks are set aside", func() error {
		if n, err := d.metric("nfstats_store_refused_flows_total"); err != nil || n != 21 {
			return fmt.Errorf("%v flows, %v", n, err)
		}
		return nil
	})
	d.send("127.0.0.7", toPort(443, 30))
	d.expectNumber("the rest goes on", "SELECT count() FROM flows", 30)
	if body, err := d.get(d.http + "/api/v1/status"); err != nil || !strings.Contains(body, `"ready":true`) || !strings.Contains(body, "nfstats journal list") || strings.Contains(body, `"rejected_blocks":0`) {
		t.Errorf("status: %v %s", err, body)
	}
	if body, err := d.get(d.http + "/readyz"); err != nil || !strings.Contains(body, "set aside") {
		t.Errorf("readyz: %v %s", err, body)
	}
	list, err := d.command("journal", "list").CombinedOutput()
	if err != nil || !strings.Contains(string(list), "no_discard") {
		t.Fatalf("list: %v\n%s", err, list)
	}
	var ids []string
	for line := range strings.Lines(string(list)) {
		if id := strings.Fields(line)[0]; id != "ID" {
			ids = append(ids, id)
		}
	}
	if state, err := d.command("journal", "state").CombinedOutput(); err != nil || !strings.Contains(string(state), fmt.Sprintf("refused blocks  %d", len(ids))) {
		t.Errorf("state: %v\n%s", err, state)
	}
	replay := append([]string{"journal", "replay"}, ids...)
	if out, err := d.command(replay...).CombinedOutput(); err == nil || !strings.Contains(string(out), "no_discard") {
		t.Errorf("replay while the cause lasts: %v\n%s", err, out)
	}
	d.admin("ALTER TABLE nfstats.flows DROP CONSTRAINT no_discard")
	if out, err := d.command(replay...).CombinedOutput(); err != nil || !strings.Contains(string(out), "replayed "+ids[0]) {
		t.Errorf("replay: %v\n%s", err, out)
	}
	d.expectNumber("the refused flows are there", "SELECT count() FROM flows WHERE dst_port = 9 AND startsWith(source, 'replay:') AND collector = 'test'", 21)
	d.expectNumber("and rolled up", "SELECT sum(flows) FROM flows_1m WHERE startsWith(source, 'replay:')", 21)
	d.expectNumber("nothing else came", "SELECT count() FROM flows", 51)
	if list, err := d.command("journal", "list").CombinedOutput(); err != nil || !strings.Contains(string(list), "no block was refused") {
		t.Errorf("list after the replay: %v\n%s", err, list)
	}
	if out, err := d.command(replay...).CombinedOutput(); err == nil {
		t.Errorf("second replay: %s", out)
	}
}

// TestRefusedBlockIsOnceInSpiteOfKills replays where the daemon was killed.
func TestRefusedBlockIsOnceInSpiteOfKills(t *testing.T) {
	d := newDaemon(t)
	d.start()
	d.admin("ALTER TABLE nfstats.flows ADD CONSTRAINT no_discard CHECK dst_port != 9")
	d.send("127.0.0.7", toPort(9, 20))
	d.eventually("the block is set aside", func() error {
		if n, err := d.metric("nfstats_store_refused_flows_total"); err != nil || n != 20 {
			return fmt.Errorf("%v flows, %v", n, err)
		}
		return nil
	})
	d.kill()                                              // perhaps before the checkpoint
	d.eventually("the constraint is gone", func() error { // once the engine is
		return d.command("sql", "ALTER TABLE nfstats.flows DROP CONSTRAINT IF EXISTS no_discard").Run()
	})
	d.start()
	list, err := d.command("journal", "list").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")
	if len(lines) != 2 {
		t.Fatalf("list:\n%s", list)
	}
	id := strings.Fields(lines[1])[0]
	d.eventually("the replay works", func() error {
		out, err := d.command("journal", "replay", id).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	d.expectNumber("each flow is there once", "SELECT count() FROM flows WHERE dst_port = 9", 20)
	d.kill()
	d.start()
	time.Sleep(2 * time.Second)
	d.expectNumber("each flow is there once", "SELECT count() FROM flows", 20)
}

// journalOf returns the part of the status that tells about the journal.
func (d *daemon) journalOf() (s struct {
	Ready    bool
	Problems []string
	Journal  struct {
		WaitingDatagrams uint64 `json:"waiting_datagrams"`
		WaitingBytes     uint64 `json:"waiting_bytes"`
		OldestMs         int64  `json:"oldest_ms"`
		LimitBytes       int64  `json:"limit_bytes"`
		Reason           string
	}
}, err error) {
	body, err := d.get(d.http + "/api/v1/status")
	if err == nil {
		err = json.Unmarshal([]byte(body), &s)
	}
	return s, err
}

// TestStatusTellsWhyTheJournalGrows takes ClickHouse away in several ways.
func TestStatusTellsWhyTheJournalGrows(t *testing.T) {
	var release func() // of the full disk
	for _, c := range []struct {
		name, reason string
		away, back   func(d *daemon)
	}{
		{"disk full", "",
			func(d *daemon) { release = d.fill(filepath.Join(d.dir, "clickhouse")) },
			func(d *daemon) { release() }},
		{"stopped", "",
			func(d *daemon) { syscall.Kill(d.engineOf(), syscall.SIGSTOP) },
			func(d *daemon) { syscall.Kill(d.engineOf(), syscall.SIGCONT) }},
		{"missing table", "UNKNOWN_TABLE",
			func(d *daemon) { d.admin("RENAME TABLE nfstats.flows TO nfstats.elsewhere") },
			func(d *daemon) { d.admin("RENAME TABLE nfstats.elsewhere TO nfstats.flows") }},
		{"column of another type", "Array(UInt8)",
			func(d *daemon) {
				d.admin("ALTER TABLE nfstats.flows DROP COLUMN ip_ttl")
				d.admin("ALTER TABLE nfstats.flows ADD COLUMN ip_ttl Array(UInt8)")
			},
			func(d *daemon) {
				d.admin("ALTER TABLE nfstats.flows DROP COLUMN ip_ttl")
				d.admin("ALTER TABLE nfstats.flows ADD COLUMN ip_ttl UInt8")
			}},
		{"read-only table", "NOT_IMPLEMENTED",
			func(d *daemon) {
				d.admin("RENAME TABLE nfstats.flows TO nfstats.elsewhere")
				d.admin("CREATE VIEW nfstats.flows AS SELECT * FROM nfstats.elsewhere")
			},
			func(d *daemon) {
				d.admin("DROP VIEW nfstats.flows")
				d.admin("RENAME TABLE nfstats.elsewhere TO nfstats.flows")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t)
			if c.name == "disk full" {
				if _, ok := d.smallDisk("clickhouse", "128m"); !ok {
					t.Skip("this user may not mount a small disk")
				}
			}
			d.start()
			d.send("127.0.0.7", v5Datagram(0, 30))
			d.expectNumber("the first flows are stored", "SELECT count() FROM flows", 30)
			c.away(d)
			for i := range 20 {
				d.send("127.0.0.7", v5Datagram(uint32(30+30*i), 30))
			}
			d.eventually("the status tells why", func() error {
				s, err := d.journalOf()
				if err != nil {
					return err
				}
				j := s.Journal
				if s.Ready || j.WaitingDatagrams != 20 || j.WaitingBytes < 20*1464 || j.LimitBytes != 10<<30 ||
					time.Since(time.UnixMilli(j.OldestMs)) > 10*time.Minute || j.Reason == "" || !strings.Contains(j.Reason, c.reason) || !strings.Contains(strings.Join(s.Problems, " "), "20 datagrams wait in the journal") {
					return fmt.Errorf("%+v", s)
				}
				return nil
			})
			d.eventually("the log tells why", func() error {
				if !strings.Contains(d.log.String(), "flows cannot be stored now") {
					return fmt.Errorf("no such line")
				}
				return nil
			})
			c.back(d)
			d.expectNumber("what waited is stored", "SELECT count() FROM flows", 630)
			d.eventually("all is well again", func() error {
				if s, err := d.journalOf(); err != nil || !s.Ready || s.Journal.WaitingDatagrams > 0 {
					return fmt.Errorf("%+v %v", s, err)
				}
				return nil
			})
			if n := strings.Count(d.log.String(), "flows cannot be stored now"); n > 3 {
				t.Errorf("%d log lines, want one a minute", n)
			}
		})
	}
}
