-- The rollups behind the views. The daemon fills flows_1m once a reception minute is over (rollup.go),
-- flows_1h follows from it. Counters are as exported, spread over the lifetime of their flow:
-- sampling_rate is in the key, so that sum(bytes * sampling_rate) is exact here as in flows.

CREATE TABLE IF NOT EXISTS flows_1m (
    time DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    exporter_addr IPv6 CODEC(ZSTD(1)),
    in_if UInt32 CODEC(ZSTD(1)),
    out_if UInt32 CODEC(ZSTD(1)),
    src_as UInt32 CODEC(ZSTD(1)),
    dst_as UInt32 CODEC(ZSTD(1)),
    etype UInt16 CODEC(ZSTD(1)),
    proto UInt8 CODEC(ZSTD(1)),
    flow_direction UInt8 CODEC(ZSTD(1)),
    sampling_rate UInt32 CODEC(ZSTD(1)),
    collector LowCardinality(String),
    source LowCardinality(String),
    bytes UInt64 CODEC(T64, ZSTD(1)),
    packets UInt64 CODEC(T64, ZSTD(1)),
    flows UInt64 CODEC(T64, ZSTD(1)), -- booked where the flow ended
    bytes_sq Float32 CODEC(LZ4), -- sum of bytes²/packets, for error bars

    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    src_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    out_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = SummingMergeTree((bytes, packets, flows, bytes_sq))
PARTITION BY toDate(time)
ORDER BY (time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source)
TTL time + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1h (
    time DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    exporter_addr IPv6 CODEC(ZSTD(1)),
    in_if UInt32 CODEC(ZSTD(1)),
    out_if UInt32 CODEC(ZSTD(1)),
    src_as UInt32 CODEC(ZSTD(1)),
    dst_as UInt32 CODEC(ZSTD(1)),
    etype UInt16 CODEC(ZSTD(1)),
    proto UInt8 CODEC(ZSTD(1)),
    flow_direction UInt8 CODEC(ZSTD(1)),
    sampling_rate UInt32 CODEC(ZSTD(1)),
    collector LowCardinality(String),
    source LowCardinality(String),
    bytes UInt64 CODEC(T64, ZSTD(1)),
    packets UInt64 CODEC(T64, ZSTD(1)),
    flows UInt64 CODEC(T64, ZSTD(1)),
    bytes_sq Float32 CODEC(LZ4),

    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    src_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    out_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = SummingMergeTree((bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- The hours follow from the minutes as these are inserted: a block of minutes is small, and one
-- token covers all tables.
CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_of_1m TO flows_1h AS
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m
GROUP BY ALL;

-- The same sums by fewer columns, from which most charts are drawn: a day of them has a fifth of the
-- rows, or less. _in is by input interface and source AS, _out by output interface and destination AS, _path
-- by all four. LZ4 takes a third more disk than ZSTD and is read a quarter faster.

CREATE TABLE IF NOT EXISTS flows_1m_in (
    time DateTime('UTC') CODEC(DoubleDelta, LZ4),
    exporter_addr IPv6 CODEC(LZ4),
    in_if UInt32 CODEC(LZ4),
    src_as UInt32 CODEC(LZ4),
    sampling_rate UInt32 CODEC(LZ4),
    collector LowCardinality(String),
    source LowCardinality(String),
    bytes UInt64 CODEC(T64, LZ4),
    packets UInt64 CODEC(T64, LZ4),
    flows UInt64 CODEC(T64, LZ4),
    bytes_sq Float32 CODEC(LZ4),

    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    src_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(src_as), ''),
    in_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = SummingMergeTree((bytes, packets, flows, bytes_sq))
PARTITION BY toDate(time)
ORDER BY (time, exporter_addr, in_if, src_as, sampling_rate, collector, source)
TTL time + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1m_in_of_1m TO flows_1m_in AS
SELECT time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1m_out (
    time DateTime('UTC') CODEC(DoubleDelta, LZ4),
    exporter_addr IPv6 CODEC(LZ4),
    out_if UInt32 CODEC(LZ4),
    dst_as UInt32 CODEC(LZ4),
    sampling_rate UInt32 CODEC(LZ4),
    collector LowCardinality(String),
    source LowCardinality(String),
    bytes UInt64 CODEC(T64, LZ4),
    packets UInt64 CODEC(T64, LZ4),
    flows UInt64 CODEC(T64, LZ4),
    bytes_sq Float32 CODEC(LZ4),

    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    dst_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(dst_as), ''),
    out_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = SummingMergeTree((bytes, packets, flows, bytes_sq))
PARTITION BY toDate(time)
ORDER BY (time, exporter_addr, out_if, dst_as, sampling_rate, collector, source)
TTL time + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1m_out_of_1m TO flows_1m_out AS
SELECT time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1h_in (
    time DateTime('UTC') CODEC(DoubleDelta, LZ4),
    exporter_addr IPv6 CODEC(LZ4),
    in_if UInt32 CODEC(LZ4),
    src_as UInt32 CODEC(LZ4),
    sampling_rate UInt32 CODEC(LZ4),
    collector LowCardinality(String),
    source LowCardinality(String),
    bytes UInt64 CODEC(T64, LZ4),
    packets UInt64 CODEC(T64, LZ4),
    flows UInt64 CODEC(T64, LZ4),
    bytes_sq Float32 CODEC(LZ4),

    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    src_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(src_as), ''),
    in_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = SummingMergeTree((bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, in_if, src_as, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_in_of_1m TO flows_1h_in AS
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1h_out (
    time DateTime('UTC') CODEC(DoubleDelta, LZ4),
    exporter_addr IPv6 CODEC(LZ4),
    out_if UInt32 CODEC(LZ4),
    dst_as UInt32 CODEC(LZ4),
    sampling_rate UInt32 CODEC(LZ4),
    collector LowCardinality(String),
    source LowCardinality(String),
    bytes UInt64 CODEC(T64, LZ4),
    packets UInt64 CODEC(T64, LZ4),
    flows UInt64 CODEC(T64, LZ4),
    bytes_sq Float32 CODEC(LZ4),

    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    dst_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(dst_as), ''),
    out_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = SummingMergeTree((bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, out_if, dst_as, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_out_of_1m TO flows_1h_out AS
SELECT toStartOfHour(time) AS time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1h_path (
    time DateTime('UTC') CODEC(DoubleDelta, LZ4),
    exporter_addr IPv6 CODEC(LZ4),
    in_if UInt32 CODEC(LZ4),
    out_if UInt32 CODEC(LZ4),
    src_as UInt32 CODEC(LZ4),
    dst_as UInt32 CODEC(LZ4),
    sampling_rate UInt32 CODEC(LZ4),
    collector LowCardinality(String),
    source LowCardinality(String),
    bytes UInt64 CODEC(T64, LZ4),
    packets UInt64 CODEC(T64, LZ4),
    flows UInt64 CODEC(T64, LZ4),
    bytes_sq Float32 CODEC(LZ4),

    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    src_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    out_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = SummingMergeTree((bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, in_if, out_if, src_as, dst_as, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_path_of_1m TO flows_1h_path AS
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m
GROUP BY ALL;

-- What has been rolled up: the live flows (source = '') that a collector received before rolled_to,
-- and whole imported files. While rolling is not 0, so many seconds from rolled_to on are on their way.
CREATE TABLE IF NOT EXISTS rollups (
    collector String,
    source String,
    rolled_to DateTime('UTC'),
    rolling UInt16,
    version UInt64 DEFAULT toUnixTimestamp(rolled_to) * 2 + (rolling > 0) -- grows with every step
)
ENGINE = ReplacingMergeTree(version) ORDER BY (collector, source);
