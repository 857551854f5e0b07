package store

import "fmt"

// Where a flow lies in time. Its octets are spread over its lifetime, from
// time_flow_start to time_flow_end, because that is when they passed the
// interface; at its reception they would make a burst that never was.
//
// The times are the exporter's. A flow is exported soon after its end, so an end
// that lies after the reception, or more than maxLagMs before it, comes from a
// clock that is wrong: the flow is moved to end at its reception. Routers export
// long flows piecewise, after an active timeout of an hour at most (Cisco IOS;
// 30 minutes elsewhere): what lasts longer is booked on its last maxLifetimeMs.
const (
	maxLagMs      = 15 * 60 * 1000
	maxLifetimeMs = 60 * 60 * 1000
)

// receptionWindow is how long after a moment flows that lived then can come in,
// in seconds.
const receptionWindow = (maxLagMs + maxLifetimeMs) / 1000

// endedSQL and startedSQL are where a flow lies by these rules, in Unix
// milliseconds; its last millisecond is that of endedSQL. startedSQL stands beside
// endedSQL only, whose names it uses.
var (
	endedSQL   = fmt.Sprintf("(if((toUnixTimestamp64Milli(time_flow_end) AS ms_end) BETWEEN (toUnixTimestamp64Milli(time_received) AS ms_received) - %d AND ms_received, ms_end, ms_received) AS ms_last)", maxLagMs)
	startedSQL = fmt.Sprintf("(ms_last - least(greatest(ms_end - toUnixTimestamp64Milli(time_flow_start), 0), %d))", maxLifetimeMs)
)

// spreadSQL returns a query of a table like flows that gives a row for each flow and
// bucket that the flow lived in: the columns, at (start of the bucket, Unix
// seconds), bytes, packets, flows and bytes_sq (octets² a packet, for the error
// of sampling). where selects flows, of which implausible ones are left out.
//
// Buckets are step milliseconds long and lie in [from, to), Unix milliseconds;
// the three are SQL expressions of type Int64. What a flow has outside is left
// out. An empty step makes all of it one bucket.
//
// Octets and packets are whole numbers in every bucket and their sum over all
// buckets is the flow's: with d the lifetime, the first x milliseconds carry
// ⌊bytes·x/d⌋, written so that nothing exceeds 64 bits: bytes = q·d + r, and
// ⌊bytes·x/d⌋ = q·x + ⌊r·x/d⌋ with r·x < d². A flow counts once, in the bucket of
// its end. Both are of the type that the rollups have: of two types in one UNION,
// ClickHouse makes a Variant, which is slow.
func spreadSQL(table, columns, where, from, to, step string) string {
	buckets := fmt.Sprintf("arrayJoin(range(intDiv(greatest(started, %[1]s) - %[1]s, %[3]s), intDiv(least(ended, %[2]s) - 1 - %[1]s, %[3]s) + 1))", from, to, step)
	if step == "" {
		buckets, step = "toInt64(0)", "("+to+" - "+from+")"
	}
	return fmt.Sprintf(`SELECT %[1]s,
    intDiv(%[3]s + bucket * %[5]s, 1000) AS at,
    toUInt64(greatest(started, %[3]s + bucket * %[5]s) - started) AS before,
    toUInt64(least(ended, %[3]s + (bucket + 1) * %[5]s, %[4]s) - started) AS until,
    toUInt64(intDiv(flow_bytes, lifetime) * (until - before) + intDiv(flow_bytes %% lifetime * until, lifetime) - intDiv(flow_bytes %% lifetime * before, lifetime)) AS bytes,
    toUInt64(intDiv(flow_packets, lifetime) * (until - before) + intDiv(flow_packets %% lifetime * until, lifetime) - intDiv(flow_packets %% lifetime * before, lifetime)) AS packets,
    toUInt64(until = lifetime) AS flows,
    toFloat64(flow_bytes) * flow_bytes / greatest(flow_packets, 1) * (until - before) / lifetime AS bytes_sq
FROM (
    SELECT %[1]s, flow_bytes, flow_packets, started, ended, toUInt64(ended - started) AS lifetime,
        %[8]s AS bucket
    FROM (
        SELECT %[1]s, bytes AS flow_bytes, packets AS flow_packets,
            1 + %[6]s AS ended, %[7]s AS started
        FROM %[9]s
        WHERE NOT implausible AND %[2]s
    )
    WHERE ended > %[3]s AND started < %[4]s
)`, columns, where, from, to, step, endedSQL, startedSQL, buckets, table)
}
