package collector

import (
	"fmt"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
)

// setAside keeps the datagrams of an insert whose rows ClickHouse refuses, with
// the state that decoding them needs, so that the flows behind them go on.
func (w *worker) setAside(i insert, cause error) error {
	state, err := w.stateBefore(i)
	if err != nil {
		return fmt.Errorf("find the decoder's state before block %s: %w", i.token, err)
	}
	at := 0
	mine := func(d *journal.Datagram) bool {
		if !w.owns(d) {
			return false
		}
		at++
		return at > i.first && at <= i.end
	}
	return w.collector.journal.SetAside(i.block, i.token, state, mine, cause)
}

// stateBefore decodes again what came between the last checkpoint and an insert.
// Few blocks lie there, and the decoder itself is ahead.
func (w *worker) stateBefore(i insert) ([]byte, error) {
	d, err := netflow.New(w.collector.config.Decoder)
	if err != nil {
		return nil, err
	}
	restore := func(saved []byte) error {
		if saved == nil {
			return nil
		}
		states, err := readStates(saved)
		if err != nil {
			return err
		}
		return d.RestoreState(states[w.shard], nil)
	}
	var rows decoder.Batch
	decode := func(datagram *journal.Datagram) {
		if w.owns(datagram) {
			d.Decode(datagram.ReceivedMs, datagram.Source, datagram.Payload, &rows) // what is wrong was logged the first time
			rows.Reset()
		}
	}
	if err := w.collector.journal.Again(i.block, restore, decode); err != nil {
		return nil, err
	}
	if i.first > 0 {
		b, err := w.collector.journal.ReadRange(i.block)
		if err != nil {
			return nil, err
		}
		defer b.Release()
		at := 0
		var datagram journal.Datagram
		for cursor := b.Cursor(); at < i.first && cursor.Next(&datagram); {
			if w.owns(&datagram) {
				decode(&datagram)
				at++
			}
		}
	}
	return d.AppendState(nil), nil
}
