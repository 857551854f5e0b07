package nfdump

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
)

// corpus returns the paths of a pattern among the archives that several
// versions of nfcapd and nfdump wrote.
func corpus(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob("../../../shared/corpus/archives/" + pattern)
	if err != nil || len(paths) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the corpus has no %s: %v", pattern, err)
		}
		t.Skip("no corpus")
	}
	return paths
}

func readAll(path string) (*decoder.Batch, archive.Totals, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, archive.Totals{}, err
	}
	defer f.Close()
	batch := new(decoder.Batch)
	r, err := Open(f, path, Options{})
	if err != nil {
		return batch, archive.Totals{}, err
	}
	for {
		if _, err = r.Read(batch, 700); err == io.EOF {
			return batch, r.Totals(), nil
		} else if err != nil {
			return batch, r.Totals(), err
		}
	}
}

func readCSV(t *testing.T, path string) ([]map[string]string, bool) {
	t.Helper()
	var in io.Reader
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		in = f
	} else if f, err := os.Open(path + ".gz"); err == nil {
		defer f.Close()
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	} else {
		return nil, false
	}
	c := csv.NewReader(in)
	c.FieldsPerRecord, c.LazyQuotes = -1, true
	lines, err := c.ReadAll()
	if err != nil || len(lines) == 0 {
		t.Fatalf("%s: %d lines, %v", path, len(lines), err)
	}
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0][:min(len(line), len(lines[0]))] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return rows, true
}

// columns are the names of the columns in the two forms of nfdump's CSV.
var columns = map[string]string{
	"firstSeen": "first", "lastSeen": "last", "srcAddr": "src_addr", "dstAddr": "dst_addr", "srcPort": "src_port", "dstPort": "dst_port",
	"input": "in_if", "output": "out_if", "srcAS": "src_as", "dstAS": "dst_as", "srcMask": "src_net", "dstMask": "dst_net", "flags": "tcp_flags",
	"srcTos": "src_tos", "inPackets": "packets", "inBytes": "bytes", "nextIP": "next_hop", "bgpNextIP": "bgp_next_hop", "srcVlan": "src_vlan",
	"dstVlan": "dst_vlan", "routerIP": "router_ip", "srcXIP": "src_xlate", "dstXIP": "dst_xlate", "srcXPort": "src_xlate_port", "dstXPort": "dst_xlate_port",
	"fwdStatus": "fwd_status",
}

func TestRealFiles(t *testing.T) {
	for _, path := range corpus(t, "nfdump/[0-9]*.nfcapd") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, _, err := readAll(path)
			if err != nil {
				t.Fatal(err)
			}
			rows, ok := readCSV(t, strings.TrimSuffix(path, ".nfcapd")+".golden.csv")
			if !ok || len(rows) != b.Len() {
				t.Fatalf("%d rows, want %d", b.Len(), len(rows))
			}
			compareRows(t, b, rows)
		})
	}
}

// compareRows compares every row. It tolerates few cells: those that nfdump
// itself is known to print wrong (see tolerated), which are a small part.
func compareRows(t *testing.T, b *decoder.Batch, rows []map[string]string) {
	t.Helper()
	faults, cells := 0, 0
	for n, row := range rows {
		for name, want := range row {
			if long, ok := columns[name]; ok {
				name = long
			}
			got, known := cell(b, n, name)
			if !known {
				continue
			}
			cells++
			if normal(got, name) == normal(want, name) {
				continue
			}
			if tolerated(b, n, name, want) {
				faults++
				continue
			}
			t.Errorf("row %d, %s: %s, want %s", n, name, got, want)
			if t.Failed() && n > 20 {
				return
			}
		}
	}
	if faults*20 > cells {
		t.Errorf("%d of %d cells differ as nfdump is known to differ", faults, cells)
	}
}

// tolerated tells of nfdump's own faults in printing.
func tolerated(b *decoder.Batch, n int, name, want string) bool {
	switch name {
	case "src_addr", "dst_addr": // 1.7.1 prints the empty one of two families
		return want == "::"
	case "dst_port": // 1.6.13 prints 0 for the ICMP of firewall events
		return want == "0.0" || want == "0"
	case "first", "last": // years that cannot be printed, and flows without a time
		return b.TimeFlowStart[n] > 253402300800000 || b.TimeFlowEnd[n] < 0 || b.TimeFlowEnd[n] > 253402300800000 || strings.HasPrefix(want, "0000") || strings.HasPrefix(want, "1970") || want == "0.000"
	case "bgp_next_hop": // 1.6.13 prints no IPv6 one
		return !strings.Contains(want, ":") && !netip.AddrFrom16(b.BGPNextHop[n]).Is4In6()
	case "src_net", "dst_net", "next_hop", "in_src_mac", "out_dst_mac", "router_ip", "src_vlan", "dst_vlan":
		// records of 1.6.13 that are shorter than their map tells
		return b.SrcNet[n] == 0 && b.DstNet[n] == 0
	}
	return false
}

func normal(text, name string) string {
	if strings.Contains(text, ":") {
		if a, err := netip.ParseAddr(text); err == nil {
			if b := a.As16(); [12]byte(b[:12]) == [12]byte{} { // ::192.0.2.1 and ::
				return netip.AddrFrom4([4]byte(b[12:])).String()
			}
			return a.Unmap().String()
		}
	}
	if strings.HasSuffix(name, "port") {
		if kind, code, ok := strings.Cut(text, "."); ok {
			k, _ := strconv.Atoi(kind)
			c, _ := strconv.Atoi(code)
			return strconv.Itoa(k<<8 | c)
		}
	}
	return text
}

// cell returns a value as nfdump prints it.
func cell(b *decoder.Batch, n int, name string) (text string, known bool) {
	number := func(v uint64) (string, bool) { return strconv.FormatUint(v, 10), true }
	address := func(a decoder.Addr) (string, bool) {
		if a == (decoder.Addr{}) {
			return "0.0.0.0", true
		}
		return netip.AddrFrom16(a).Unmap().String(), true
	}
	switch name {
	case "first":
		return stamp(b.TimeFlowStart[n]), true
	case "last":
		return stamp(b.TimeFlowEnd[n]), true
	case "proto":
		return number(uint64(b.Proto[n]))
	case "src_addr":
		return address(b.SrcAddr[n])
	case "dst_addr":
		return address(b.DstAddr[n])
	case "next_hop":
		return address(b.NextHop[n])
	case "bgp_next_hop":
		return address(b.BGPNextHop[n])
	case "router_ip":
		return address(b.ExporterAddr[n])
	case "src_port":
		return number(uint64(b.SrcPort[n]))
	case "dst_port":
		return number(uint64(b.DstPort[n]))
	case "in_if":
		return number(uint64(b.InIf[n]))
	case "out_if":
		return number(uint64(b.OutIf[n]))
	case "src_as":
		return number(uint64(b.SrcAS[n]))
	case "dst_as":
		return number(uint64(b.DstAS[n]))
	case "src_net":
		return number(uint64(b.SrcNet[n]))
	case "dst_net":
		return number(uint64(b.DstNet[n]))
	case "src_tos":
		return number(uint64(b.IPTos[n]))
	case "fwd_status":
		return number(uint64(b.ForwardingStatus[n]))
	case "packets":
		return number(b.Packets[n])
	case "bytes":
		return number(b.Bytes[n])
	case "src_xlate":
		return address(b.SrcAddrXlate[n])
	case "dst_xlate":
		return address(b.DstAddrXlate[n])
	case "src_xlate_port":
		return number(uint64(b.SrcPortXlate[n]))
	case "dst_xlate_port":
		return number(uint64(b.DstPortXlate[n]))
	case "direction":
		return [2]string{"I", "E"}[b.FlowDirection[n]], true
	}
	return "", false
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000") }

// TestCraftedFiles compares files with every extension, codec and kind of
// damage with what nfdump says of them.
func TestCraftedFiles(t *testing.T) {
	for _, path := range corpus(t, "nfdump-crafted/*.nf") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var want struct {
				Kind                           string
				Layout                         int
				Records, Flows, Packets, Bytes uint64
			}
			text, err := os.ReadFile(path + ".expect.json")
			if err == nil {
				err = json.Unmarshal(text, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			b, totals, err := readAll(path)
			damage, damaged := errors.AsType[*archive.DamageError](err)
			if err != nil && !damaged {
				t.Fatal(err)
			}
			t.Logf("%s: %d rows, %v", want.Kind, b.Len(), err)
			if want.Layout == 3 || want.Kind == "reject" {
				if !damaged || b.Len() != 0 {
					t.Errorf("%d rows and %v of a file to reject", b.Len(), err)
				}
				return
			}
			if want.Kind == "ok" && err != nil || want.Kind == "truncated" && !damaged {
				t.Errorf("%v in a file that is %s", err, want.Kind)
			}
			if damaged && damage.Offset > int64(fileSize(path)) {
				t.Errorf("damage at %d of %d octets", damage.Offset, fileSize(path))
			}
			if want.Kind != "corrupt" && uint64(b.Len()) < want.Records || want.Kind == "ok" && (uint64(b.Len()) != want.Records || totals.Packets != want.Packets || totals.Bytes != want.Bytes || totals.Flows != want.Flows) {
				t.Errorf("%d rows, %d flows, %d packets, %d octets, want %+v", b.Len(), totals.Flows, totals.Packets, totals.Bytes, want)
			}
			rows, ok := readCSV(t, path+".csv")
			if !ok || want.Kind == "corrupt" {
				return
			}
			if len(rows) > b.Len() {
				t.Fatalf("%d rows, want %d", b.Len(), len(rows))
			}
			for _, row := range rows {
				for _, name := range []string{"firstSeen", "lastSeen"} {
					if seconds, err := strconv.ParseFloat(row[name], 64); err == nil {
						row[name] = stamp(int64(seconds*1000 + 0.5))
					}
				}
			}
			compareRows(t, b, rows)
		})
	}
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func TestDamagedFiles(t *testing.T) {
	for _, path := range corpus(t, "nfdump/damaged-*.nfcapd") {
		b, _, err := readAll(path)
		damage, damaged := errors.AsType[*archive.DamageError](err)
		if err != nil && !damaged {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		t.Logf("%s: %d rows, %v", name, b.Len(), err)
		want := map[string]archive.Reason{"empty": archive.Empty, "foreign": archive.Foreign, "cut": archive.Truncated}
		for part, reason := range want {
			if strings.Contains(name, part) && (!damaged || damage.Reason != reason) {
				t.Errorf("%s: %v, want %v", name, err, reason)
			}
		}
	}
}
