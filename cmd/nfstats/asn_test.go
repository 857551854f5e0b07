package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// TestASNumbersOfADatabase sends a flow whose exporter knows no AS numbers, with a
// database that knows one and a file that names it; then again with a missing one.
func TestASNumbersOfADatabase(t *testing.T) {
	dir := t.TempDir()
	names, database := filepath.Join(dir, "names.csv"), filepath.Join(dir, "asn.mmdb")
	if err := os.WriteFile(names, []byte("asn,name\nAS64500,Example Networks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	writeASNDatabase(t, database, &net.IPNet{IP: net.IPv4(192, 0, 2, 0).To4(), Mask: net.CIDRMask(24, 32)}, 64500)
	d := newDaemon(t, "NFSTATS_ASN_DATABASE="+database, "NFSTATS_ASN_NAMES="+names)
	d.start()
	d.send("127.0.0.7", []byte{0, 10, 0, 48, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 5,
		0, 2, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4, // template 256: sourceIPv4Address, destinationIPv4Address
		1, 0, 0, 16, 192, 0, 2, 1, 8, 8, 8, 8, 0, 0, 0, 0})
	d.expectNumber("the source's AS is found", "SELECT count() FROM flows WHERE src_as = 64500 AND src_as_name = 'Example Networks' AND dst_as = 0", 1)
	d.expectNumber("the file replaces all names", "SELECT count() FROM as_names", 1)
}

// writeASNDatabase writes a database that knows the AS number of one network.
func writeASNDatabase(t *testing.T, path string, network *net.IPNet, number uint32) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-ASN", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Insert(network, mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(number)}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
}
