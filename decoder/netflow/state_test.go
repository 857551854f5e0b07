package netflow

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// TestCorpusDecodesOnAfterRestart stops decoding at some places of a capture,
// lets another Decoder go on from the state, and wants the same rows and in the
// end the same state.
func TestCorpusDecodesOnAfterRestart(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(captureName(file), func(t *testing.T) {
			datagrams := readCapture(t, file)
			whole := newDecoder(t)
			want := rowTexts(decodeAll(whole, datagrams))
			wantState := whole.AppendState(nil)
			for stop := 1; stop < len(datagrams); stop += 1 + len(datagrams)/4 {
				first := newDecoder(t)
				rows := rowTexts(decodeAll(first, datagrams[:stop]))
				second := newDecoder(t)
				if err := second.RestoreState(first.AppendState(nil), nil); err != nil {
					t.Fatal(err)
				}
				b := new(decoder.Batch)
				for i, g := range datagrams[stop:] {
					second.Decode(receivedMs+int64(stop+i), g.source, g.payload, b)
				}
				rows = append(rows, rowTexts(b)...)
				if !slices.EqualFunc(want, rows, maps.Equal) {
					t.Fatalf("stopped after %d datagrams: other rows", stop)
				}
				if !bytes.Equal(wantState, second.AppendState(nil)) {
					t.Fatalf("stopped after %d datagrams: another state in the end", stop)
				}
			}
		})
	}
}

// statefulDecoder has every kind of state.
func statefulDecoder(t testing.TB) *Decoder {
	d, b := newDecoder(t), new(decoder.Batch)
	for i := range 3 {
		source := exporterAddress(i)
		for _, datagram := range [][]byte{
			flowMessage(9, 1, 256), flowMessage(10, 2, 257), v5Message(100),
			optionsMessage(9, 1, 300, []fieldValue{num(1, 4, 0)}, []fieldValue{num(48, 1, 1), num(50, 4, 1000), text(84, "sampler")}),
			optionsMessage(9, 1, 301, []fieldValue{num(2, 4, 7)}, []fieldValue{num(34, 4, 10), text(82, "eth0")}),
			optionsMessage(10, 2, 302, []fieldValue{num(145, 2, 257)}, []fieldValue{num(34, 4, 20), num(160, 8, receivedMs-1000)}),
			optionsMessage(9, 1, 303, []fieldValue{num(1, 4, 0)}, []fieldValue{num(34, 4, 30), {95, []byte{1, 0, 0, 6}}, text(96, "tcp")}),
			message9().Data(999, octets(20, 1)).Bytes(), {0, 1},
		} {
			d.Decode(receivedMs, source, datagram, b)
		}
	}
	return d
}

func TestStateIsWhole(t *testing.T) {
	d := statefulDecoder(t)
	state := d.AppendState([]byte("before"))
	restored := newDecoder(t)
	if err := restored.RestoreState(state[len("before"):], nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(restored.AppendState([]byte("before")), state) {
		t.Error("the restored state is another one")
	}
	exporters := d.Exporters()
	for i := range exporters {
		exporters[i].SamplingRates = []InterfaceRate{} // noted as flows are seen
	}
	equal := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(exporters, restored.Exporters(), equal); diff != "" {
		t.Errorf("exporters: %s", diff)
	}
	if diff := cmp.Diff(d.Templates(exporterAddress(1).Addr()), restored.Templates(exporterAddress(1).Addr())); diff != "" {
		t.Errorf("templates: %s", diff)
	}
	if diff := cmp.Diff(d.Names(), restored.Names(), equal); diff != "" {
		t.Errorf("names: %s", diff)
	}
	if d.waitingBytes != restored.waitingBytes || restored.waitingBytes == 0 {
		t.Errorf("%d octets wait, %d after the restart", d.waitingBytes, restored.waitingBytes)
	}
}

// TestStatesAreSpreadAnew restores the state of one Decoder into several.
func TestStatesAreSpreadAnew(t *testing.T) {
	d := statefulDecoder(t)
	even, odd := newDecoder(t), newDecoder(t)
	state := d.AppendState(nil)
	isEven := func(a netip.Addr) bool { return a.As4()[3]%2 == 0 }
	if err := errors.Join(even.RestoreState(state, isEven), odd.RestoreState(state, func(a netip.Addr) bool { return !isEven(a) })); err != nil {
		t.Fatal(err)
	}
	if e, o := even.Exporters(), odd.Exporters(); len(e) != 2 || len(o) != 1 || o[0].Address != exporterAddress(1).Addr() {
		t.Errorf("%d and %d exporters", len(e), len(o))
	}
	if err := even.RestoreState(odd.AppendState(nil), nil); err != nil || len(even.Exporters()) != 3 {
		t.Errorf("%d exporters after adding a state: %v", len(even.Exporters()), err)
	}
}

// TestProgressAfterDefinitions restores definitions of one moment and progress of
// a later one, in which the definitions were still the same.
func TestProgressAfterDefinitions(t *testing.T) {
	d := statefulDecoder(t)
	generation, state := d.StateGeneration(), d.AppendState(nil)
	h := header(9)
	h.Sequence = 1
	d.Decode(receivedMs+50, exporterAddress(0), generate.New(h).Data(256, octets(12, 1)).Data(998, octets(8, 1)).Bytes(), new(decoder.Batch))
	d.Decode(receivedMs+60, exporterAddress(0), flowMessage(9, 1, 256), new(decoder.Batch)) // the template again
	if d.StateGeneration() != generation {
		t.Fatal("the definitions have changed")
	}
	restored := newDecoder(t)
	if err := restored.RestoreState(state, nil); err != nil {
		t.Fatal(err)
	}
	if err := restored.RestoreProgress(d.AppendProgress(nil)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(restored.AppendState(nil), d.AppendState(nil)) {
		t.Error("the restored state is another one")
	}
}

func TestGenerationChangesWithDefinitions(t *testing.T) {
	d, b := newDecoder(t), new(decoder.Batch)
	last := d.StateGeneration()
	for _, c := range []struct {
		name     string
		datagram []byte
		changes  bool
	}{
		{"a new exporter", v5Message(10), true},
		{"its flows", v5Message(10), false},
		{"a template", flowMessage(9, 1, 256), true},
		{"the same", flowMessage(9, 1, 256), false},
		{"another definition", flowMessage(9, 1, 256, num(1, 4, 0)), true},
		{"a rate", optionsMessage(9, 1, 300, []fieldValue{num(1, 4, 0)}, []fieldValue{num(34, 4, 10)}), true},
		{"the same rate", optionsMessage(9, 1, 300, []fieldValue{num(1, 4, 0)}, []fieldValue{num(34, 4, 10)}), false},
		{"another rate", optionsMessage(9, 1, 300, []fieldValue{num(1, 4, 0)}, []fieldValue{num(34, 4, 11)}), true},
		{"a name", optionsMessage(9, 1, 301, []fieldValue{num(2, 4, 7)}, []fieldValue{text(82, "eth0")}), true},
		{"the same name", optionsMessage(9, 1, 301, []fieldValue{num(2, 4, 7)}, []fieldValue{text(82, "eth0")}), false},
		{"data without template", message9().Data(999, octets(20, 1)).Bytes(), false},
	} {
		before := d.AppendDefinitions(nil)
		d.Decode(receivedMs, testSource, c.datagram, b)
		if changed := d.StateGeneration() != last; changed != c.changes {
			t.Errorf("%s: generation changed: %t", c.name, changed)
		}
		if changed := !bytes.Equal(before, d.AppendDefinitions(nil)); changed != c.changes {
			t.Errorf("%s: definitions changed: %t", c.name, changed)
		}
		last = d.StateGeneration()
	}
}

// TestDamagedStates cuts and changes a state in all places: it is refused or it
// is a state, and the Decoder works on.
func TestDamagedStates(t *testing.T) {
	d := statefulDecoder(t)
	state := d.AppendState(nil)
	for n := 0; n < len(state); n += 1 + n/200 {
		restored := newDecoder(t)
		if err := restored.RestoreState(state[:n], nil); !errors.Is(err, ErrState) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if len(restored.Exporters()) != 0 {
			t.Fatalf("cut at %d: exporters are left", n)
		}
		for _, change := range []byte{1, 0x80, 0xff} {
			damaged := slices.Clone(state)
			damaged[n] ^= change
			restored := newDecoder(t)
			if err := restored.RestoreState(damaged, nil); err != nil && !errors.Is(err, ErrState) {
				t.Fatalf("changed at %d: %v", n, err)
			}
			b := new(decoder.Batch)
			for i := range 3 {
				restored.Decode(receivedMs, exporterAddress(i), message9().Data(256, octets(100, 1)).Data(300, octets(100, 1)).Data(301, octets(100, 1)).Bytes(), b)
			}
			restored.AppendState(nil)
			restored.Exporters()
		}
	}
	if err := newDecoder(t).RestoreProgress(state); !errors.Is(err, ErrState) {
		t.Errorf("definitions taken for progress: %v", err)
	}
}

// BenchmarkState measures what a checkpoint of a thousand exporters costs.
func BenchmarkState(b *testing.B) {
	d, batch := newDecoder(b), new(decoder.Batch)
	var templates []generate.Template
	for id := range uint16(5) {
		templates = append(templates, generate.V9IPv4(256+id))
	}
	for i := range 1000 {
		d.Decode(receivedMs, exporterAddress(i), message9().Templates(templates...).Bytes(), batch)
		for ifIndex := range uint64(50) {
			d.Decode(receivedMs, exporterAddress(i), optionsMessage(9, 1, 300, []fieldValue{num(2, 4, ifIndex)}, []fieldValue{text(82, "TenGigE0/0/0/1")}), batch)
		}
	}
	var buffer []byte
	for _, part := range []struct {
		name   string
		append func([]byte) []byte
	}{{"definitions", d.AppendDefinitions}, {"progress", d.AppendProgress}} {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				buffer = part.append(buffer[:0])
			}
			b.ReportMetric(float64(len(buffer)), "octets")
		})
	}
}
