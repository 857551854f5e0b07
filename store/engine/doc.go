// Package engine runs ClickHouse inside NFStats, for installations without a
// ClickHouse server.
//
// It has two halves. Supervisor belongs to the daemon: it binds the listeners,
// starts this same program a second time as `nfstats engine`, restarts it when
// it dies, and never lets it outlive the daemon. Serve is the second process: it
// confines itself with Landlock, loads libchdb (ClickHouse as a shared library)
// and speaks ClickHouse's HTTP interface on the listeners that it inherited:
// one Unix socket with full rights for whoever knows the key, and one TCP
// address where everybody may read.
//
// A process of its own, because a crash or an out-of-memory kill of a query
// must not take the collector down, and because it can be locked in.
package engine
