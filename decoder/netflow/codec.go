package netflow

import (
	"encoding/binary"
	"strings"
)

// writer appends the values of a state.
type writer struct{ b []byte }

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

func (w *writer) int(v int64) { w.b = binary.AppendVarint(w.b, v) }

func (w *writer) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) key(k exporterKey) {
	w.b = append(w.b, k.address[:]...)
	w.uint(uint64(k.port))
}

// reader reads them. After the first value that cannot be read it has failed
// and returns zeros.
type reader struct {
	b      []byte
	failed bool
}

// uint reads a number, which may be at most limit.
func (r *reader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bool() bool { return r.uint(1) == 1 }

// count reads how many values follow: at most one for each octet that is left.
func (r *reader) count() int { return int(r.uint(uint64(len(r.b)))) }

func (r *reader) octets() []byte {
	n := r.count()
	if n > len(r.b) {
		r.fail()
		return nil
	}
	octets := r.b[:n]
	r.b = r.b[n:]
	return octets
}

func (r *reader) string() string { return string(r.octets()) }

func (r *reader) key() (k exporterKey) {
	if len(r.b) < len(k.address) {
		r.fail()
		return k
	}
	copy(k.address[:], r.b)
	r.b = r.b[len(k.address):]
	k.port = uint16(r.uint(1<<16 - 1))
	return k
}

func (r *reader) magic(want string) {
	if !strings.HasPrefix(string(r.b[:min(len(r.b), len(want))]), want) {
		r.fail()
		return
	}
	r.b = r.b[len(want):]
}

func (r *reader) fail() { r.failed, r.b = true, nil }
