package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// impossible is an IPFIX message with two flow records of 2⁶³ octets and packets.
func impossible() []byte {
	be := binary.BigEndian
	message := be.AppendUint32([]byte{0, 10, 0, 68}, uint32(time.Now().Unix()))
	message = append(message, 0, 0, 0, 0, 0, 0, 0, 5,
		0, 2, 0, 16, 1, 0, 0, 2, 0, 1, 0, 8, 0, 2, 0, 8, // template 256: octetDeltaCount, packetDeltaCount
		1, 0, 0, 36)
	for range 4 {
		message = be.AppendUint64(message, 1<<63)
	}
	return message
}

// TestImplausibleInBrowser shows the page what a broken router sends.
func TestImplausibleInBrowser(t *testing.T) {
	browser(t)
	t.Parallel()
	d := newDaemon(t)
	d.start()
	d.send("127.0.0.7", v5Datagram(0, 3), impossible())
	d.expectNumber("the records are stored", "SELECT count() FROM flows", 5)
	d.expectNumber("and marked", "SELECT count() FROM flows WHERE implausible", 2)
	d.expectNumber("and in no sum", "SELECT sum(bytes_scaled) FROM flows", 3000)
	for _, name := range []string{"nfstats_exporter_implausible_total", "nfstats_decoder_implausible_total"} {
		if n, err := d.metric(name); err != nil || n != 2 {
			t.Errorf("%s: %v %v", name, n, err)
		}
	}
	csv, err := d.get(fmt.Sprintf("%s/api/v1/flows?format=csv&from=%d&to=%d", d.http, time.Now().Unix()-3600, time.Now().Unix()+1))
	if err != nil || strings.Count(csv, ",9223372036854775808,9223372036854775808,") != 2 || strings.Count(csv, ",true\r\n") != 2 {
		t.Errorf("%v %s", err, csv)
	}
	browserTests(t, "implausible", "NFSTATS_URL="+d.http)
}

// Imports go the same way: what no network can have carried is in table flows alone.
func TestImplausibleRecordsOfAnArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ft")
	flowToolsFile(t, path, 5)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for record := range 2 {
		copy(file[24+64*record+36:], []byte{0xff, 0xff, 0xff, 0xff}) // octets
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t)
	d.start()
	const rate = 1<<32 - 1
	out := d.mustOutput("import", "flow-tools", "--sampling", fmt.Sprint(rate), path)
	if !strings.Contains(out, "2 records have counters that no network can have carried") {
		t.Error(out)
	}
	d.expectNumber("two are marked", "SELECT count() FROM flows WHERE implausible AND bytes = 4294967295", 2)
	for _, table := range []string{"flows", "flows_1m", "flows_1h", "flows_1m_in", "flows_1h_path"} {
		d.expectNumber(table, "SELECT sum(bytes_scaled) FROM "+table, 3*100*rate)
	}
}
