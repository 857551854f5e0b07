// Package netflow decodes NetFlow v5, v9 (RFC 3954) and IPFIX (RFC 7011), and the
// old v1 and v7, into rows of a decoder.Batch.
//
// A Decoder owns the state of its exporters: templates, sampling rates, names,
// sequence numbers, and data sets that wait for their template. It belongs to
// one goroutine; a collector shards exporters by source address over several
// Decoders. There are no locks, no clock and no randomness: rows depend on the
// datagrams, their reception times and the state alone.
//
// A template is compiled once into a plan (plan.go, compile.go). Executing a
// plan (execute.go, scatter.go) takes one loop over the records for each field
// that becomes a column, without a branch on the field's type for each record
// and without allocation.
//
// Exporters are not trusted. What they may make a Decoder keep is bounded by
// Config, what one datagram may cost by maxRows and maxEvictionsPerDatagram.
package netflow
