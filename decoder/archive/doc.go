// Package archive holds what the readers of flow archives (flowtools and
// nfdump) have in common: how they tell of damage and what they count.
//
// Every reader follows one contract, so that an importer can treat them alike:
//
//   - Open reads the header and refuses what is no archive of the format.
//   - Read appends rows to a decoder.Batch and returns fewer than asked for only
//     with an error: the k-th chunk of a file is the same rows each time.
//   - The end is io.EOF. Damage is a *DamageError; all rows before it have been
//     returned, with it or earlier. Any other error is one of the io.Reader.
//   - A reader belongs to one goroutine and keeps a bounded amount of memory,
//     whatever the file says. Several files can be read in parallel.
package archive
