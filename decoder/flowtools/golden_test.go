package flowtools

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
)

// corpus returns the folder of archives that flow-tools' own programs wrote.
func corpus(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/corpus/archives/flowtools")
	if err == nil {
		_, err = os.Stat(dir)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the corpus is missing: %v", err)
		}
		t.Skip("no corpus")
	}
	return dir
}

// An expectation is what flow-export and an independent reader found in a file.
type expectation struct {
	Kind             string
	Records          uint64
	DecodableRecords *uint64 `json:"decodable_records"`
	DecodeError      *string `json:"decode_error"`
	LeftoverBytes    int     `json:"leftover_bytes"`
	Flows            *uint64
	Packets, Bytes   *uint64
	MinStartMs       *int64 `json:"min_start_ms"`
	MaxEndMs         *int64 `json:"max_end_ms"`
}

func TestCorpus(t *testing.T) {
	dir := corpus(t)
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".expect.json") {
			return err
		}
		files++
		path = strings.TrimSuffix(path, ".expect.json")
		name, _ := filepath.Rel(dir, path)
		t.Run(name, func(t *testing.T) { compare(t, path) })
		return nil
	})
	if err != nil || files < 50 {
		t.Fatalf("%d files, %v", files, err)
	}
}

func compare(t *testing.T, path string) {
	var want expectation
	text, err := os.ReadFile(path + ".expect.json")
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	options := Options{SwappedByLibft: strings.Contains(path, "quirk")}
	batch, totals, err := readAll(path, options)
	damage, damaged := errors.AsType[*archive.DamageError](err)
	if want.Kind == "reject" {
		if !damaged || batch.Len() != 0 {
			t.Errorf("%d rows and error %v of a file to reject", batch.Len(), err)
		}
		return
	}
	if err != nil && !damaged {
		t.Fatal(err)
	}
	if (want.DecodeError != nil || want.LeftoverBytes != 0) && !damaged {
		t.Errorf("no damage seen, want %v and %d octets left over", want.DecodeError, want.LeftoverBytes)
	}
	if want.Kind == "ok" && damaged && damage.Reason != archive.Unfinished {
		t.Errorf("damage %v in a good file", err)
	}
	records := want.Records
	if want.DecodableRecords != nil {
		records = *want.DecodableRecords
	}
	if uint64(batch.Len()) != records || totals.Records != records {
		t.Errorf("%d rows, total %d, want %d (%v)", batch.Len(), totals.Records, records, err)
	}
	if want.Flows != nil && (totals.Flows != *want.Flows || totals.Packets != *want.Packets || totals.Bytes != *want.Bytes) {
		t.Errorf("%d flows %d packets %d octets, want %d %d %d", totals.Flows, totals.Packets, totals.Bytes, *want.Flows, *want.Packets, *want.Bytes)
	}
	if want.MinStartMs != nil && !strings.Contains(path, "wrap") && (totals.FirstMs != *want.MinStartMs || totals.LastMs != *want.MaxEndMs) {
		t.Errorf("from %d to %d, want %d to %d", totals.FirstMs, totals.LastMs, *want.MinStartMs, *want.MaxEndMs)
	}
	compareRows(t, batch, path+".csv")
	if strict := path + ".strict.csv"; options.SwappedByLibft {
		if batch, _, err = readAll(path, Options{}); err != nil {
			t.Fatal(err)
		}
		compareRows(t, batch, strict)
	}
}

func readAll(path string, options Options) (*decoder.Batch, archive.Totals, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, archive.Totals{}, err
	}
	defer f.Close()
	batch := new(decoder.Batch)
	r, err := Open(f, path, options)
	if err != nil {
		return batch, archive.Totals{}, err
	}
	for {
		if _, err = r.Read(batch, 1000); err == io.EOF {
			err = nil
			break
		} else if err != nil {
			break
		}
	}
	return batch, r.Totals(), err
}

// compareRows compares every row with the output of flow-export.
func compareRows(t *testing.T, b *decoder.Batch, path string) {
	t.Helper()
	rows, ok := readCSV(t, path)
	if !ok {
		return
	}
	for n, row := range rows[1:] {
		if n >= b.Len() {
			break // a wrong count has been told
		}
		for i, name := range rows[0] {
			if got, known := cell(b, n, name); known && got != row[i] {
				t.Fatalf("row %d, %s: %s, want %s", n, name, got, row[i])
			}
		}
	}
}

func readCSV(t *testing.T, path string) ([][]string, bool) {
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
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows, len(rows) > 0
}

// cell returns a value as flow-export prints it.
func cell(b *decoder.Batch, n int, name string) (text string, known bool) {
	number := func(v uint64) (string, bool) { return strconv.FormatUint(v, 10), true }
	address := func(a decoder.Addr) (string, bool) {
		if a == (decoder.Addr{}) {
			return "0.0.0.0", true
		}
		return netip.AddrFrom16(a).Unmap().String(), true
	}
	switch name {
	case "exaddr":
		return address(b.ExporterAddr[n])
	case "srcaddr":
		return address(b.SrcAddr[n])
	case "dstaddr":
		return address(b.DstAddr[n])
	case "nexthop":
		return address(b.NextHop[n])
	case "dpkts":
		return number(b.Packets[n])
	case "doctets":
		return number(b.Bytes[n])
	case "input":
		return number(uint64(b.InIf[n]))
	case "output":
		return number(uint64(b.OutIf[n]))
	case "srcport":
		return number(uint64(b.SrcPort[n]))
	case "dstport":
		return number(uint64(b.DstPort[n]))
	case "prot":
		return number(uint64(b.Proto[n]))
	case "tos":
		return number(uint64(b.IPTos[n]))
	case "tcp_flags":
		return number(uint64(b.TCPFlags[n]))
	case "src_mask":
		return number(uint64(b.SrcNet[n]))
	case "dst_mask":
		return number(uint64(b.DstNet[n]))
	case "src_as":
		return number(uint64(b.SrcAS[n]))
	case "dst_as":
		return number(uint64(b.DstAS[n]))
	case "engine_type":
		return number(uint64(b.ObservationDomainID[n] >> 8))
	case "engine_id":
		return number(uint64(b.ObservationDomainID[n] & 0xff))
	}
	return "", false
}
