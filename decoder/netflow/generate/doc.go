// Package generate builds NetFlow v5, v9 and IPFIX datagrams: for tests,
// benchmarks, load generation and demonstrations. It knows the wire formats from
// the exporter's side and shares no code with the decoder.
//
// It does not check what it is told: with it one can also build what no exporter
// should send.
package generate
