// Package collector receives flows: UDP sockets, the queue behind them, and the
// pipeline that decodes datagrams and hands the rows to the store.
//
// Data flows one way. Each socket is owned by one receiver goroutine, which
// only appends to the queue. One goroutine cuts the queue into blocks and gives
// every block to all workers; a worker owns a decoder and the exporters whose
// addresses hash to it, so no lock stands on the way of a flow. Inserts run
// beside decoding. When the store is slow or away the queue grows up to its
// bound, and what no longer fits is dropped and counted.
package collector
