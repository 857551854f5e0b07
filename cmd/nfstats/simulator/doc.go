// Package simulator is an Internet provider in a process: routers with
// interfaces, the traffic that crosses them, the flows that they export and the
// SNMP counters that they keep.
//
// Truth comes first. Traffic consists of streams (source and destination AS,
// application, path through the routers); each step of simulated time draws how
// many packets of which size every stream sends. These packets move the
// interface counters. Then each router samples them, one in N, binomially, and
// only the sampled packets enter its flow cache, whose active and inactive
// timeouts decide when a record leaves. So what was truly sent is known
// (Config.Truth), what was exported differs from it as it does on a real router,
// and the difference has the statistics that error bars promise. Faults make a
// router lie as real ones do.
//
// Simulated time moves only by Network.Advance: history runs as fast as the
// machine allows and live operation follows the clock, by the same code.
// Everything random follows from Config.Seed.
//
// The package belongs to `nfstats demo` and to tests; the daemon does not know
// it.
package simulator
