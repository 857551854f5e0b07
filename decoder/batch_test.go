package decoder

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestColumnsFollowFields wants one bit of Columns for each column of Batch, in
// the order of its fields.
func TestColumnsFollowFields(t *testing.T) {
	var b Batch
	columns := b.columns()
	at := 0
	for i := range reflect.TypeOf(b).NumField() {
		field := reflect.TypeOf(b).Field(i)
		if !field.IsExported() {
			continue
		}
		address := reflect.ValueOf(&b).Elem().Field(i).Addr().Pointer()
		if at >= len(columns) || reflect.ValueOf(columns[at]).Pointer() != address {
			t.Errorf("column %d is not field %s", at, field.Name)
		}
		at++
	}
	if at != len(columns) || AllColumns != 1<<at-1 {
		t.Errorf("%d fields, %d columns, all of them are %b", at, len(columns), AllColumns)
	}
	if ColumnMPLSLabels != 1<<(at-1) || ColumnTimeReceived != 1 {
		t.Error("bits are not in the order of the fields")
	}
}

// TestExtendGivesZeroRows fills batches in all ways, at random, and wants new
// rows to be zero wherever the filler did not promise to write.
func TestExtendGivesZeroRows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b Batch
	for step := range 5000 {
		switch r.IntN(10) {
		case 0:
			b.Reset()
		case 1:
			b.Truncate(r.IntN(b.Len() + 1))
		case 2:
			first := b.Extend(1 + r.IntN(3))
			expectZero(t, step, &b, first, AllColumns)
			b.Bytes[first], b.SrcMAC[first], b.NextHop[first] = 1, 2, Addr{3}
			b.SetMPLSLabels(first, []uint32{1, 2})
		default:
			full, partial := Columns(r.Uint64())&AllColumns, Columns(r.Uint64())&AllColumns
			first := b.ExtendColumns(1+r.IntN(40), full, partial)
			expectZero(t, step, &b, first, AllColumns&^full)
			dirty(&b, first, full|partial)
		}
		if t.Failed() {
			return
		}
	}
}

func expectZero(t *testing.T, step int, b *Batch, first int, which Columns) {
	t.Helper()
	for i, c := range b.columns() {
		column := reflect.ValueOf(c).Elem()
		for row := first; which&(1<<i) != 0 && row < b.Len(); row++ {
			if !column.Index(row).IsZero() {
				t.Fatalf("step %d: column %d of new row %d is %v", step, i, row, column.Index(row))
			}
		}
	}
}

// dirty writes to the given columns of all rows from first on.
func dirty(b *Batch, first int, which Columns) {
	for i, c := range b.columns() {
		column := reflect.ValueOf(c).Elem()
		for row := first; which&(1<<i) != 0 && row < b.Len(); row++ {
			switch v := column.Index(row); v.Kind() {
			case reflect.Array:
				v.Index(3).SetUint(7)
			case reflect.Slice:
				b.SetMPLSLabels(row, []uint32{9})
			case reflect.Int64, reflect.Int8:
				v.SetInt(7)
			default:
				v.SetUint(7)
			}
		}
	}
}

func TestRowsSurviveGrowth(t *testing.T) {
	var b Batch
	for i := range 5000 {
		row := b.Extend(1)
		b.Bytes[row], b.DstAddr[row] = uint64(i), Addr{15: byte(i)}
	}
	for i := range b.Len() {
		if b.Bytes[i] != uint64(i) || b.DstAddr[i] != (Addr{15: byte(i)}) {
			t.Fatalf("row %d has %d octets to %v", i, b.Bytes[i], b.DstAddr[i])
		}
	}
}

func TestCopyRow(t *testing.T) {
	var b Batch
	b.Extend(2)
	b.Bytes[0], b.Packets[0], b.SrcAddr[0] = 5, 6, Addr{1}
	b.CopyRow(1, 0, ColumnBytes|ColumnSrcAddr)
	if b.Bytes[1] != 5 || b.Packets[1] != 0 || b.SrcAddr[1] != (Addr{1}) {
		t.Errorf("copied %d octets, %d packets, %v", b.Bytes[1], b.Packets[1], b.SrcAddr[1])
	}
}

func TestMPLSLabels(t *testing.T) {
	var b Batch
	b.Extend(2)
	if b.HasMPLSLabels() {
		t.Error("an empty batch has labels")
	}
	b.SetMPLSLabels(0, []uint32{16, 17})
	b.SetMPLSLabels(1, []uint32{18})
	if !b.HasMPLSLabels() || !reflect.DeepEqual(b.MPLSLabels[:2], [][]uint32{{16, 17}, {18}}) {
		t.Errorf("labels are %v", b.MPLSLabels[:2])
	}
	b.Reset()
	if b.HasMPLSLabels() {
		t.Error("a reset batch has labels")
	}
}

func TestRefillingAllocatesNothing(t *testing.T) {
	var b Batch
	b.Extend(1000)
	allocs := testing.AllocsPerRun(100, func() {
		b.Reset()
		for range 10 {
			first := b.ExtendColumns(100, ColumnBytes|ColumnSrcAddr, ColumnMPLSLabels)
			b.SetMPLSLabels(first, []uint32{1})
		}
		b.Reset()
		b.Extend(1000)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
