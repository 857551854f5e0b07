// Package nfdump reads the binary flow files of nfdump (nfcapd, sfcapd, nfpcapd
// and what nfdump -w writes) into rows of a decoder.Batch: layout 1 (nfdump
// 1.6) and layout 2 (nfdump 1.7), uncompressed, LZO, bzip2, LZ4 and zstd. Layout
// 3, of the unreleased nfdump 1.8, and files of big-endian machines are refused
// by name.
//
// A file is a header (header.go) and blocks, each compressed alone (block.go).
// A block holds records: flows, and what flows refer to, the exporters and, in
// layout 1, the extension maps. Layout 1 has a fixed part and the extensions
// that its map lists (layout1.go), layout 2 elements with type and length
// (layout2.go).
//
// Counters are stored as the collector wrote them: where it knew a sampling
// rate it has multiplied them and marked the record. Such a record has a
// sampling rate of 1, it must not be scaled again; Totals.Scaled counts them.
// Records without the mark take Options.SamplingRate.
//
// The counters of the opposite direction are in Totals.OutPackets and OutBytes
// and in no row. Left out is what no column of Batch holds: user names, ACLs,
// latencies, payloads, port blocks, tunnels.
//
// A Reader keeps two blocks of at most 5 MiB, whatever the file says.
package nfdump
