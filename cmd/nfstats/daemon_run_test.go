package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// v5Datagram returns a NetFlow v5 datagram with n flows of 100 packets and
// 1,000 octets each.
func v5Datagram(sequence uint32, n int) []byte {
	be := binary.BigEndian
	d := make([]byte, 24+48*n)
	be.PutUint16(d, 5)
	be.PutUint16(d[2:], uint16(n))
	be.PutUint32(d[4:], 3_600_000) // an hour since boot
	be.PutUint32(d[8:], uint32(time.Now().Unix()))
	be.PutUint32(d[16:], sequence)
	for i := range n {
		r := d[24+48*i:]
		copy(r, []byte{192, 0, 2, byte(i), 198, 51, 100, 7, 0, 0, 0, 0})
		be.PutUint32(r[16:], 100)
		be.PutUint32(r[20:], 1000)
		be.PutUint32(r[24:], 3_590_000)
		be.PutUint32(r[28:], 3_599_000)
		be.PutUint16(r[34:], 443)
		r[38] = 6
		be.PutUint16(r[40:], 64500)
	}
	return d
}

func TestFlowsAreVisibleSoonAndOnThePage(t *testing.T) {
	d := newDaemon(t)
	d.start()
	d.send("127.0.0.7", v5Datagram(0, 30))
	d.expectNumber("the flows are stored", "SELECT count() FROM flows WHERE collector = 'test' AND type = 'NETFLOW_V5'", 30)
	rows, err := d.query(`SELECT max(toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(time_received)) AS age, sum(bytes) AS b, sum(bytes_scaled) AS s,
		any(src_ip) AS ip, any(toString(sampler_address)) AS sampler, min(time_flow_end - time_flow_start) AS lasted FROM flows`)
	if err != nil {
		t.Fatal(err)
	}
	if r := rows[0]; fmt.Sprint(r["b"]) != "30000" || fmt.Sprint(r["s"]) != "30000" || r["sampler"] != "::ffff:127.0.0.7" || !strings.HasPrefix(r["ip"].(string), "192.0.2.") || fmt.Sprint(r["lasted"]) != "9" {
		t.Errorf("got %v", r)
	}
	for path, want := range map[string]string{
		"/":        "<title>NFStats</title>",
		"/healthz": "ok",
		fmt.Sprintf("/api/v1/shares?to=%d", time.Now().Unix()+60): `"value":"64500"`,
		"/api/v1/exporters": `"address":"127.0.0.7"`,
		"/api/v1/status":    `"ready":true`,
	} {
		if body, err := d.get(d.http + path); err != nil || !strings.Contains(body, want) {
			t.Errorf("%s lacks %q: %v %.300s", path, want, err, body)
		}
	}
	out, err := d.command("sql", "--format", "CSV", "SELECT count(), sum(packets) FROM flows").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "30,3000" {
		t.Errorf("nfstats sql: %v %s", err, out)
	}
	pipe := d.command("sql")
	pipe.Stdin = strings.NewReader("SELECT 'piped' AS word")
	if out, err := pipe.CombinedOutput(); err != nil || !strings.Contains(string(out), "│ piped │") {
		t.Errorf("nfstats sql on standard input: %v %s", err, out)
	}
	if out, err := d.command("sql", "SELEC 1").CombinedOutput(); err == nil || !strings.Contains(string(out), "Code: 62") {
		t.Errorf("a wrong statement: %v %s", err, out)
	}
}

func TestStopStoresEverythingReceived(t *testing.T) {
	d := newDaemon(t, "NFSTATS_COLLECTOR_BLOCK_AGE=30s") // nothing is inserted for its age
	d.start()
	for i := range 50 {
		d.send("127.0.0.7", v5Datagram(uint32(30*i), 30))
	}
	d.eventually("the datagrams are received", func() error {
		if n, err := d.metric("nfstats_collector_datagrams_total"); err != nil || n != 50 {
			return fmt.Errorf("%v datagrams, %v", n, err)
		}
		return nil
	})
	d.stop()
	out, err := d.command("sql", "--format", "TSV", "SELECT count() FROM flows").CombinedOutput() // starts the engine itself
	if err != nil || strings.TrimSpace(string(out)) != "1500" {
		t.Errorf("after the stop: %v %s", err, out)
	}
}

func TestBlocksThatNobodyRefused(t *testing.T) {
	d := newDaemon(t)
	for _, verb := range []string{"replay", "drop"} {
		if out, err := d.command("journal", verb, "mistyped").CombinedOutput(); err == nil || !strings.Contains(string(out), "no block mistyped was refused; see: nfstats journal list") {
			t.Errorf("%s: %v %s", verb, err, out)
		}
	}
}

func TestSQLMakesNoDataFolder(t *testing.T) {
	d := newDaemon(t)
	wrong := filepath.Join(t.TempDir(), "elsewhere")
	ask := func() string {
		cmd := d.command("sql", "SELECT 1")
		cmd.Env = append(cmd.Environ(), "NFSTATS_DATA_DIR="+wrong)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("no error: %s", out)
		}
		return string(out)
	}
	if out := ask(); !strings.Contains(out, "no ClickHouse is in data_dir "+wrong) {
		t.Errorf("the wrong folder: %s", out)
	}
	if _, err := os.Stat(wrong); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the wrong folder is there now: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(wrong, "clickhouse"), 0o700), os.Chown(wrong, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if out := ask(); !strings.Contains(out, "belongs to user 65534") {
		t.Errorf("another user's folder: %s", out)
	}
}

func TestBadInputIsCountedAndHarmsNothing(t *testing.T) {
	d := newDaemon(t)
	d.start()
	good := v5Datagram(0, 10)
	huge := make([]byte, 65507)
	copy(huge, good)
	for range 20 {
		d.send("127.0.0.66",
			[]byte("garbage that is no flow"), []byte{0}, nil, []byte{0, 99, 1, 2, 3, 4},
			good[:20], good[:100], huge,
			[]byte{0, 9, 0, 2, 0, 0, 3, 232, 105, 85, 185, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0, 1, 0, 0, 4}) // template without fields, then its data
	}
	d.send("127.0.0.7", good)
	d.expectNumber("the good exporter's flows are stored", "SELECT count() FROM flows WHERE exporter_addr = toIPv6('127.0.0.7')", 10)
	for reason, want := range map[string]float64{"unknown_version": 40, "short_datagram": 60, "length_mismatch": 20, "bad_template": 20} {
		if n, err := d.metric("nfstats_decoder_dropped_total", `reason="`+reason+`"`); err != nil || n < want {
			t.Errorf("%s: %v, want at least %v (%v)", reason, n, want, err)
		}
	}
	if n := strings.Count(d.log.String(), "unknown_version"); n == 0 || n > 4 {
		t.Errorf("%d log lines of the unknown version, want few", n)
	}
	if !strings.Contains(d.log.String(), "127.0.0.66") {
		t.Error("the log does not name the exporter")
	}
}

func TestNotAllowedExportersAreCounted(t *testing.T) {
	d := newDaemon(t, "NFSTATS_COLLECTOR_ALLOW=127.0.0.0/30")
	d.start()
	d.send("127.0.0.2", v5Datagram(0, 3))
	d.send("127.0.0.9", v5Datagram(0, 4))
	d.expectNumber("the allowed exporter's flows are stored", "SELECT count() FROM flows", 3)
	if n, err := d.metric("nfstats_collector_dropped_datagrams_total", `reason="not_allowed"`); err != nil || n != 1 {
		t.Errorf("%v datagrams not allowed, %v", n, err)
	}
}

// engineOf finds the engine process of the daemon.
func (d *daemon) engineOf() int {
	d.t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, path := range entries {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var pid, parent int
		var state string
		after := string(text[strings.LastIndexByte(string(text), ')')+1:])
		fmt.Sscan(string(text), &pid)
		fmt.Sscan(after, &state, &parent)
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if parent == d.cmd.Process.Pid && state != "Z" && strings.Contains(string(command), "\x00engine\x00") {
			return pid
		}
	}
	d.t.Fatal("the daemon has no engine")
	return 0
}

func TestEngineKilledUnderLoad(t *testing.T) {
	d := newDaemon(t)
	d.start()
	const bursts, perBurst = 60, 20
	sent := 0
	for i := range bursts {
		for j := range perBurst {
			d.send(fmt.Sprintf("127.0.1.%d", 1+j%5), v5Datagram(uint32(i), 30))
			sent += 30
		}
		if i%20 == 10 {
			if err := syscall.Kill(d.engineOf(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			d.eventually("the engine is started again", func() error {
				_, err := d.number("SELECT 1")
				return err
			})
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.expectNumber("all rows come in once", "SELECT count() FROM flows", uint64(sent))
	if flows, err := d.metric("nfstats_exporter_flows_total", `exporter="127.0.1.1"`); err != nil || flows != bursts*perBurst/5*30 {
		t.Errorf("%v flows of 127.0.1.1, %v", flows, err)
	}
	if lost, err := d.metric("nfstats_collector_dropped_datagrams_total"); err != nil || lost != 0 {
		t.Errorf("%v datagrams lost, %v", lost, err)
	}
}

func TestKilledDaemonStartsAgainAtOnce(t *testing.T) {
	d := newDaemon(t)
	d.start()
	d.send("127.0.0.7", v5Datagram(0, 30))
	d.expectNumber("the flows are stored", "SELECT count() FROM flows", 30)
	for range 3 {
		child := d.engineOf()
		d.kill()
		d.start()
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child)); err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("engine %d outlives its daemon: %s", child, stat)
		}
		d.expectNumber("the rows are still there", "SELECT count() FROM flows", 30)
	}
}

func TestSecondDaemonAndTakenPortsAreRefused(t *testing.T) {
	d := newDaemon(t)
	d.start()
	same := newDaemon(t, "NFSTATS_DATA_DIR="+d.dir)
	if out, err := same.command("serve").CombinedOutput(); err == nil || !strings.Contains(string(out), "another nfstats") {
		t.Errorf("second daemon on the same folder: %v %s", err, out)
	}
	for variable, address := range map[string]string{
		"NFSTATS_COLLECTOR_LISTEN":      d.udp,
		"NFSTATS_HTTP_LISTEN":           strings.TrimPrefix(d.http, "http://"),
		"NFSTATS_STORE_EMBEDDED_LISTEN": strings.TrimPrefix(d.sql, "http://"),
	} {
		other := newDaemon(t, variable+"="+address)
		if out, err := other.command("serve").CombinedOutput(); err == nil || !strings.Contains(string(out), address+": another program has this port") &&
			!strings.Contains(string(out), "another program has this port") {
			t.Errorf("%s taken: %v %s", variable, err, out)
		}
	}
}

func TestLogFileIsReopened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nfstats.log")
	d := newDaemon(t, "NFSTATS_LOG_OUTPUT="+file, "NFSTATS_LOG_FORMAT=json")
	d.start()
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.eventually("the log file is there again", func() error { _, err := os.Stat(file); return err })
	d.stop()
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"msg":"nfstats has stopped"`) {
		t.Errorf("new log: %v %s", err, text)
	}
}

func TestCheck(t *testing.T) {
	d := newDaemon(t, "NFSTATS_STORE_CLICKHOUSE=clickhouse://u:secret@db:9000")
	if out, err := d.command("check").CombinedOutput(); err != nil || strings.Contains(string(out), "secret") || !strings.Contains(string(out), "u:xxxxx@db:9000") {
		t.Errorf("check: %v %s", err, out)
	}
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("collector:\n  lisen: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := d.command("check", "-c", file).CombinedOutput(); err == nil || !strings.Contains(string(out), "bad.yaml:2: unknown key collector.lisen") {
		t.Errorf("bad file: %v %s", err, out)
	}
	wrong := newDaemon(t, "NFSTATS_STORE_EMBEDDED_LIBRARY="+file, "NFSTATS_ASN_DATABASE="+file)
	if out, err := wrong.command("check").CombinedOutput(); err == nil || !strings.Contains(string(out), "store.embedded.library") || !strings.Contains(string(out), "bad.yaml") {
		t.Errorf("check takes any file as library and database: %v %s", err, out)
	}
	if out, err := wrong.command("serve").CombinedOutput(); err == nil || !strings.Contains(string(out), "no shared library") {
		t.Errorf("the daemon starts with any file as library: %v %s", err, out)
	}
}

func TestUnreachableClickHouse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close() // nobody listens there now
	d := newDaemon(t, "NFSTATS_STORE_CLICKHOUSE=http://u:secret@"+address)
	d.launch()
	d.eventually("the log tells what is wrong", func() error {
		if !strings.Contains(d.log.String(), "ClickHouse is not ready, trying again") {
			return fmt.Errorf("no such line")
		}
		return nil
	})
	if body, err := d.get(d.http + "/readyz"); err == nil || !strings.Contains(body, `"ready":false`) {
		t.Errorf("readyz: %v %s", err, body)
	}
	if strings.Contains(d.log.String(), "secret") {
		t.Error("the log shows the password")
	}
}

// TestSystemdReadiness plays systemd's part.
func TestSystemdReadiness(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := newDaemon(t, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000")
	d.start()
	seen := map[string]bool{}
	l.SetReadDeadline(time.Now().Add(patience))
	for buffer := make([]byte, 256); !seen["READY=1"] || !seen["WATCHDOG=1"]; {
		n, err := l.Read(buffer)
		if err != nil {
			t.Fatalf("seen %v: %v", seen, err)
		}
		seen[string(buffer[:n])] = true
	}
}

// TestSoftflowd lets a real exporter send known traffic in each version and
// compares totals with what it was given.
func TestSoftflowd(t *testing.T) {
	path, err := exec.LookPath("softflowd")
	if err != nil {
		if path = "/usr/sbin/softflowd"; !exists(path) {
			lacking(t, "no softflowd (Debian package softflowd)")
		}
	}
	d := newDaemon(t)
	d.start()
	pcap := filepath.Join(t.TempDir(), "traffic.pcap")
	packets, octets := writeTraffic(t, pcap)
	for version, enum := range map[string]string{"5": "NETFLOW_V5", "9": "NETFLOW_V9", "10": "IPFIX"} {
		out, err := exec.Command(path, "-r", pcap, "-v", version, "-n", d.udp, "-d").CombinedOutput()
		if err != nil {
			t.Fatalf("softflowd -v %s: %v\n%s", version, err, out)
		}
		d.expectNumber("packets of "+enum, "SELECT sum(packets) FROM flows WHERE type = '"+enum+"'", packets)
		d.expectNumber("octets of "+enum, "SELECT sum(bytes) FROM flows WHERE type = '"+enum+"'", octets)
		if want := fmt.Sprintf("Number of packets processed: %d", packets); strings.Contains(string(out), "packets processed") && !strings.Contains(string(out), want) {
			t.Errorf("softflowd itself counts otherwise than %q:\n%s", want, out)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// writeTraffic writes UDP packets between a few hosts as a pcap file, and
// returns their number and layer 3 octets.
func writeTraffic(t *testing.T, path string) (packets, octets uint64) {
	t.Helper()
	le, be := binary.LittleEndian, binary.BigEndian
	file := make([]byte, 24)
	le.PutUint32(file, 0xa1b2c3d4)
	le.PutUint16(file[4:], 2)
	le.PutUint16(file[6:], 4)
	le.PutUint32(file[16:], 65535)
	le.PutUint32(file[20:], 1)
	start := time.Now().Add(-time.Minute)
	for i := range 500 {
		payload := 20 + i%900
		length := 28 + payload
		frame := make([]byte, 14+length)
		copy(frame, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0})
		ip := frame[14:]
		ip[0], ip[8], ip[9] = 0x45, 64, 17
		be.PutUint16(ip[2:], uint16(length))
		copy(ip[12:], []byte{192, 0, 2, byte(i % 7), 198, 51, 100, byte(i % 5)})
		be.PutUint16(ip[20:], uint16(1024+i%11))
		be.PutUint16(ip[22:], 53)
		be.PutUint16(ip[24:], uint16(8+payload))
		header := make([]byte, 16)
		at := start.Add(time.Duration(i) * 10 * time.Millisecond)
		le.PutUint32(header, uint32(at.Unix()))
		le.PutUint32(header[4:], uint32(at.Nanosecond()/1000))
		le.PutUint32(header[8:], uint32(len(frame)))
		le.PutUint32(header[12:], uint32(len(frame)))
		file = append(append(file, header...), frame...)
		packets, octets = packets+1, octets+uint64(length)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return packets, octets
}

// TestSamplingOverrideAndTemplates sends a template with data and configures the
// rate that the exporter does not tell.
func TestSamplingOverrideAndTemplates(t *testing.T) {
	d := newDaemon(t, "NFSTATS_DECODER_SAMPLING_OVERRIDES=[{exporters: 127.0.0.7, rate: 1000}]")
	d.start()
	message := []byte{0, 10, 0, 44, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 5,
		0, 2, 0, 16, 1, 0, 0, 2, 0, 1, 0, 4, 0, 2, 0, 4, // template 256: octetDeltaCount, packetDeltaCount
		1, 0, 0, 12, 0, 0, 5, 220, 0, 0, 0, 3}
	d.send("127.0.0.7", message)
	d.expectNumber("the flow is scaled", "SELECT sum(bytes_scaled) FROM flows WHERE sampling_rate = 1000 AND observation_domain_id = 5", 1_500_000)
	for path, want := range map[string]string{
		"/api/v1/exporters":                     `{"if_index":0,"rate":1000,"origin":"configured"}`,
		"/api/v1/exporters/127.0.0.7/templates": `"name":"octetDeltaCount"`,
	} {
		if body, err := d.get(d.http + path); err != nil || !strings.Contains(body, want) {
			t.Errorf("%s lacks %s: %v %s", path, want, err, body)
		}
	}
}

// TestDaemonKilledUnderLoad kills daemon and engine while flows arrive. What the
// kernel delivered is stored once, all of it.
func TestDaemonKilledUnderLoad(t *testing.T) {
	d := newDaemon(t)
	d.start()
	total := uint64(0)
	for round := range 4 {
		before, err := d.metric("nfstats_journal_datagrams_total")
		if err != nil {
			t.Fatal(err)
		}
		const datagrams = 200
		for i := range datagrams {
			d.send(fmt.Sprintf("127.0.1.%d", 1+i%7), v5Datagram(uint32(30*i), 30))
		}
		d.eventually("the datagrams are journaled", func() error {
			if n, err := d.metric("nfstats_journal_datagrams_total"); err != nil || n != before+datagrams {
				return fmt.Errorf("%v datagrams, want %v: %v", n, before+datagrams, err)
			}
			return nil
		})
		total += 30 * datagrams
		time.Sleep(time.Duration(round) * 400 * time.Millisecond) // before, while and after they are stored
		d.kill()
		d.start()
	}
	d.expectNumber("every flow is stored", "SELECT count() FROM flows", total)
	time.Sleep(2 * time.Second) // anything sent twice would have come by now
	d.expectNumber("no flow is stored twice", "SELECT count() FROM flows", total)
}
