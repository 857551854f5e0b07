// Package collector receives flows: UDP sockets, the journal behind them, and
// the pipeline that decodes datagrams and hands the rows to the store.
//
// Data flows one way. Each socket is owned by one receiver goroutine, which only
// appends to the journal. One goroutine reads the journal block by block and
// gives every block to all workers; a worker owns a decoder and the exporters
// whose addresses hash to it, so no lock stands on the way of a flow. Inserts
// run beside decoding; a block is done when all workers' rows of it are stored.
//
// Once a second the decoders' states are taken between two blocks and committed
// to the journal together with the place between them. After a crash the journal
// goes on there: the same blocks are decoded by the same state to the same rows,
// under the same tokens, and ClickHouse drops those that it has already.
//
// Inserts are tried until they succeed. The exception are rows that ClickHouse
// refuses for their content: their datagrams are set aside in the journal, with
// the decoder's state before them, and what is behind them goes on. Replay stores
// them when the cause is gone.
package collector
