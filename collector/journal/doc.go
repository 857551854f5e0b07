// Package journal is the durable queue of received datagrams. Whatever the
// kernel delivered is appended here and read from here, which is the answer to
// bursts, to a slow or absent store, to a crash and to an upgrade.
//
// # Use
//
// Receivers call Append with their bursts: one write(2), no fsync, no
// allocation. Run, beside them, makes the journal durable at intervals and keeps
// it within its size. One goroutine, the pipeline's head, goes on like this:
//
//	state := j.State()                  // of decoding, at the checkpoint
//	for {
//		b, err := j.Next(ctx)           // a block of datagrams
//		...                             // decode, which changes the state
//		b.Release()
//		...                             // insert the rows under b.Token(), beside the next blocks
//		j.Done(b.Range)                 // when they are stored
//		...                             // now and then, in a goroutine since it waits for Done:
//		j.Commit(ctx, b.To, snapshot)   // of the state between this block and the next
//	}
//
// # Exactly once
//
// Blocks are what is inserted together. The journal itself tells where they
// start: Append writes into each record how far it is from the start of its
// block. A block ends because it is full, because its segment ends, or because
// Next took it for its age; then Next makes the following record start a new
// one. So the cuts are as durable as the records, nothing has to be noted before
// an insert, and after a crash the same blocks come again, from the last
// checkpoint on, whether they were stored or not. Decoded again from the state
// of the checkpoint they give the same rows, which are inserted again under the
// same tokens, and the store drops those that it has. What this asks for:
//
//   - Decoding depends on the state and the datagrams alone, not on the clock.
//   - So does what a token stands for. A pipeline that inserts a block in parts
//     adds the part to the token, and keeps what makes the parts (say the number
//     of shards) in the state; it may change them at a block that is not
//     Recovered, after a checkpoint.
//   - The store remembers the tokens of all inserts between two checkpoints, and
//     those in flight.
//   - A block that was set aside before a crash is not inserted after it
//     (IsRejected), whatever the store would say to it now.
//   - A state given to Commit is that of a block border. It need not be made for
//     every block: between two checkpoints decoding is simply repeated.
//
// Tokens are never used twice: they hold the segment's random id, every opening
// starts new segments, and no block spans two.
//
// # Damage, and other loss
//
// Records are numbered, so a loss is known to the datagram by whoever reads on
// behind it. Next steps over what is damaged to the next intact record; the rest
// of the journal is delivered. Files are never repaired: an interrupted write
// stays at the end of its segment and is stepped over like other damage, and
// counts as one datagram though Append had not returned. Status.Lost has every
// reason.
//
// While the disk takes no writes, segments are made in memory, up to
// MemoryBound; then the newest datagrams are dropped. Next reads them there. As
// soon as the disk has room they are written to it, in order. At MaxSize the
// oldest segment goes, read or not.
//
// # Files
//
// All integers are little-endian, all checksums CRC-32C (Castagnoli).
//
//	<offset>-<datagrams>-<id>.nfj   a segment; the name repeats its header in hexadecimal
//	checkpoint.0, checkpoint.1      written in turn; the higher number counts
//	rejected/<token>/               a block that the store refused for its content
//	lock                            flock of the process that has the journal open
//
// Both kinds of binary file start with the same 16 bytes, whatever their
// version, so that a version that is not known is told from damage:
//
//	 0  8  magic: "nfstatsj" segment, "nfstatsc" checkpoint
//	 8  2  format version: 1
//	10  2  zero
//	12  4  checksum of bytes 0 to 11
//
// A segment goes on with
//
//	16  8  random id
//	24  8  offset: bytes of records in the journal before this segment
//	32  8  datagrams journaled before this segment
//	40  8  time of creation, Unix milliseconds
//	48 12  zero
//	60  4  checksum of bytes 0 to 59
//
// and then records, back to back up to the end of the file:
//
//	 0  4  mark: d1 4e 46 0a
//	 4  4  checksum of the rest; it starts from the segment's id xor the
//	       record's offset in the journal, high half xor low half
//	 8  2  length of the payload in octets
//	10  2  UDP port that received it
//	12  4  number of the record in the segment, from 0
//	16  4  distance in bytes from the start of its block
//	20  2  source port
//	22  2  zero
//	24  8  time of reception, Unix milliseconds
//	32 16  source address, IPv4 as mapped
//	48     payload
//
// A checkpoint goes on with
//
//	16  8  number of the checkpoint, from 1
//	24  8  offset and
//	32  8  datagrams of its position
//	40  8  length of the state in bytes
//	48  8  time of creation, Unix milliseconds
//	56  4  zero
//	60  4  checksum of bytes 0 to 59 and the state
//	64     state; what follows it is room for later ones
//
// A rejected block has its datagrams in a segment file of one block, the state
// that decoding them starts from, and a description in JSON.
//
// # Limits
//
// A power cut loses what was appended since the last fsync, and segments in
// memory die with the process. A store that acknowledges inserts before they are
// durable may lose some of them in a power cut; the journal has forgotten them
// then. One process has a journal open at a time; Inspect, OpenSegment and the
// functions on rejected blocks work beside it.
package journal
