// Package flowtools reads the archives of flow-tools (flow-capture, flow-cat
// and the others of that family) into rows of a decoder.Batch: stream versions
// 1 and 3, both byte orders, plain or zlib-compressed, with records of NetFlow
// v1, v5, v6, v7, v8 (aggregation methods 1 to 14) and of flow-tag (1005).
//
// A file is a header and then records of one fixed layout up to the end
// (header.go, layout.go). A Reader inflates as a stream (body.go) and writes
// the columns one after the other, for 256 records at a time (columns.go).
//
// Rows carry what the records do, except that the reception time is not in the
// file and is taken to be the end of the flow. There is no sampling rate in
// these files, no IPv6 and no AS number above 65535. What no column of Batch
// holds is left out: the encapsulation and peer_nexthop of v6, router_sc,
// extra_pkts and marked_tos, and the tags of 1005.
//
// A Reader keeps less than 256 KiB, whatever the file's size; the header may
// take 1 MiB.
package flowtools
