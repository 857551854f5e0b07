package netflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfstats/nfstats/decoder"
)

// A datagram is one UDP payload of a capture and where it came from.
type datagram struct {
	source  netip.AddrPort
	payload []byte
}

// captures returns the capture files of the corpus. Without a corpus it skips
// the test, in continuous integration it fails.
func captures(t testing.TB) []string {
	t.Helper()
	files := corpus(t)
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no corpus of captures")
		}
		t.Skip("no corpus of captures")
	}
	return files
}

// corpus returns the capture files that are there.
func corpus(t testing.TB) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "../shared/corpus/captures/*/*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// captureName is how the corpus names a file: "logstash/v9_cisco_1941".
func captureName(file string) string {
	return filepath.Base(filepath.Dir(file)) + "/" + strings.TrimSuffix(filepath.Base(file), ".pcap")
}

// readCapture returns the UDP datagrams of a classic pcap file of Ethernet
// frames without fragments.
func readCapture(t testing.TB, file string) []datagram {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := parseCapture(b)
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return datagrams
}

func parseCapture(b []byte) ([]datagram, error) {
	if len(b) < 24 {
		return nil, errors.New("too short")
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic := binary.BigEndian.Uint32(b); magic == 0xa1b2c3d4 || magic == 0xa1b23c4d {
		order = binary.BigEndian
	}
	var datagrams []datagram
	for b = b[24:]; len(b) >= 16; {
		length := int(order.Uint32(b[8:]))
		if len(b) < 16+length {
			return nil, errors.New("truncated packet")
		}
		if d, ok := udp(b[16 : 16+length]); ok {
			datagrams = append(datagrams, d)
		}
		b = b[16+length:]
	}
	if len(datagrams) == 0 {
		return nil, fmt.Errorf("no UDP datagram")
	}
	return datagrams, nil
}

// udp returns the UDP payload of an Ethernet frame.
func udp(frame []byte) (d datagram, ok bool) {
	if len(frame) < 14 {
		return d, false
	}
	etype, p := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	var source netip.Addr
	switch {
	case etype == 0x0800 && len(p) >= 20 && p[9] == 17:
		source, p = netip.AddrFrom4([4]byte(p[12:16])), p[int(p[0]&15)*4:]
	case etype == 0x86dd && len(p) >= 40 && p[6] == 17:
		source, p = netip.AddrFrom16([16]byte(p[8:24])), p[40:]
	default:
		return d, false
	}
	if len(p) < 8 {
		return d, false
	}
	length := int(binary.BigEndian.Uint16(p[4:]))
	return datagram{netip.AddrPortFrom(source, binary.BigEndian.Uint16(p)), p[8:length]}, true
}

// receivedMs is when test datagrams are received, if it does not matter.
const receivedMs = 1_795_500_000_000 // 2026-11-24

func newDecoder(t testing.TB, change ...func(*Config)) *Decoder {
	t.Helper()
	config := Default()
	for _, c := range change {
		c(&config)
	}
	d, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decodeAll decodes datagrams one after the other, and returns the rows.
func decodeAll(d *Decoder, datagrams []datagram) *decoder.Batch {
	b := new(decoder.Batch)
	for i, g := range datagrams {
		d.Decode(receivedMs+int64(i), g.source, g.payload, b) // errors are counted
	}
	return b
}

func netipWithPort(a netip.AddrPort, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), port)
}
