-- What SNMP tells, and what follows from it.

CREATE TABLE IF NOT EXISTS if_counters (
    time DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    exporter_addr IPv6 CODEC(ZSTD(1)),
    if_index UInt32 CODEC(ZSTD(1)),
    if_name LowCardinality(String) CODEC(ZSTD(1)), -- ifName at the reading
    uptime_ms UInt64 CODEC(ZSTD(1)), -- the agent's sysUpTime at the reading
    in_octets UInt64 CODEC(Delta, ZSTD(1)),
    out_octets UInt64 CODEC(Delta, ZSTD(1)),
    in_packets UInt64 CODEC(Delta, ZSTD(1)), -- unicast, multicast and broadcast
    out_packets UInt64 CODEC(Delta, ZSTD(1)),
    in_discards UInt64 CODEC(Delta, ZSTD(1)),
    out_discards UInt64 CODEC(Delta, ZSTD(1)),
    discontinuity UInt32 CODEC(ZSTD(1)), -- ifCounterDiscontinuityTime
    counter_bits UInt8
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (exporter_addr, if_index, time)
TTL toDateTime(time) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS calibration (
    bucket DateTime('UTC'), -- its start; five minutes long
    exporter_addr IPv6,
    if_index UInt32,
    direction Enum8('in' = 1, 'out' = 2),
    snmp_octets Float64, -- interpolated to the bucket's edges
    flow_octets Float64, -- scaled by the sampling rate
    flow_overhead Float64, -- octets of layer 2 that the counters have and flows do not
    packet_overhead Float32, -- of those, octets a packet
    flow_egress Float64, -- the part of both that was metered at egress
    flow_packets UInt64, -- sampled
    sampling_rate UInt32, -- behind most of flow_octets
    coverage Float64, -- (flow_octets + flow_overhead) / snmp_octets
    factor_raw Float64, -- snmp_octets / flow_octets
    factor Float64, -- smoothed; to multiply the sum of bytes * sampling_rate by; 0 where nothing is known
    status Enum8('none' = 0, 'applied' = 1, 'amber' = 2, 'refused' = 3),
    reason LowCardinality(String),
    final UInt8,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(updated_at)
PARTITION BY toYYYYMM(bucket)
ORDER BY (bucket, exporter_addr, if_index, direction)
TTL bucket + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1;
