package nfdump

import (
	"io"
	"os"
	"reflect"
	"testing"

	"github.com/nfstats/nfstats/decoder"
)

// What a file left in a batch or a reader does not show in the rows of the next.
func TestBatchAndReaderAreUsedAgain(t *testing.T) {
	again := new(decoder.Batch)
	var r *Reader
	for _, pattern := range []string{"nfdump/[0-9]*.nfcapd", "nfdump/damaged*", "nfdump-crafted/*", "nfdump/[0-9]*.nfcapd"} {
		for _, path := range corpus(t, pattern) {
			fresh, totals, damage := readAll(path)
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				r, err = Open(f, path, Options{})
			} else {
				err = r.Reset(f, path)
			}
			if err != nil {
				if damage == nil || err.Error() != damage.Error() {
					t.Errorf("%v, want %v", err, damage)
				}
				continue
			}
			for at, end := 0, error(nil); end == nil; at += again.Len() {
				again.Reset()
				_, end = r.Read(again, 900)
				if name := differs(fresh, at, again); name != "" {
					t.Fatalf("%s, rows from %d: column %s", path, at, name)
				}
				if end != nil && (end != io.EOF && (damage == nil || end.Error() != damage.Error()) || r.Totals() != totals) {
					t.Errorf("%v, %+v, want %v, %+v", end, r.Totals(), damage, totals)
				}
			}
			f.Close()
		}
	}
}

// differs returns the name of a column of part that is not as in whole from at on.
func differs(whole *decoder.Batch, at int, part *decoder.Batch) string {
	a, b := reflect.ValueOf(whole).Elem(), reflect.ValueOf(part).Elem()
	for n := range a.NumField() {
		f, rows := a.Type().Field(n), part.Len()
		if f.IsExported() && rows > 0 && !reflect.DeepEqual(a.Field(n).Slice(at, at+rows).Interface(), b.Field(n).Slice(0, rows).Interface()) {
			return f.Name
		}
	}
	return ""
}
