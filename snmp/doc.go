// Package snmp asks devices by SNMP (v2c and v3) for their interfaces and the
// counters of these, so that sampled flows can be calibrated with them.
//
// A Poller owns the devices: one goroutine for each visits its agent every
// interval, at most Config.Concurrency at the same time, so that a slow or dead
// device delays no other. What it finds goes to a Sink. Devices come from the
// configuration or are added while it runs; these are kept, with their
// credentials, in a file of mode 0600 outside ClickHouse, and nothing ever shows
// a secret again.
//
// Package calibration, below, holds the arithmetic.
package snmp
