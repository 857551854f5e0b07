-- Inventory: what is known of exporters and their interfaces. The newest row of
-- a key counts.

CREATE TABLE IF NOT EXISTS exporters ON CLUSTER 'prod' (
    exporter_addr IPv6,
    name String, -- the operator's, else the device's own
    description String,
    system_name String, -- sysName
    edited_name String, -- the operator's
    sampling_rate UInt32, -- set by an operator for all interfaces, 0 for none
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/exporters', '{shard}-{replica}', updated_at) ORDER BY exporter_addr;

CREATE TABLE IF NOT EXISTS interfaces ON CLUSTER 'prod' (
    exporter_addr IPv6,
    if_index UInt32,
    name String, -- the operator's, else if_name
    description String, -- the operator's, else if_alias
    if_name String, -- ifName, or what options data tell
    if_alias String,
    if_type UInt32, -- IANA
    speed UInt64, -- bits/s
    admin_status UInt8,
    oper_status UInt8, -- 1 up, 0 not known
    oper_since DateTime('UTC'), -- by ifLastChange, 0 not known
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/interfaces', '{shard}-{replica}', updated_at) ORDER BY (exporter_addr, if_index);

-- Which interface an ifIndex was, from when on: devices renumber when they restart.
CREATE TABLE IF NOT EXISTS interface_names ON CLUSTER 'prod' (
    exporter_addr IPv6,
    if_index UInt32,
    valid_from DateTime('UTC'),
    if_name String,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/interface_names', '{shard}-{replica}', updated_at) ORDER BY (exporter_addr, if_index, valid_from);

-- What operators say of interfaces. The key is the interface's own name, so that it survives
-- renumbering, or # and the ifIndex where it has none.
CREATE TABLE IF NOT EXISTS interface_edits ON CLUSTER 'prod' (
    exporter_addr IPv6,
    if_key String,
    name String,
    description String,
    role LowCardinality(String),
    overhead Int32, -- octets of layer 2 that the counters add to a packet, -1 for what the type suggests
    sampled Int8, -- 1 or 0, -1 for what flows suggest
    sampling_rate UInt32, -- that wins over the announced one, 0 for none
    force UInt8, -- calibrate whatever the coverage is
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/interface_edits', '{shard}-{replica}', updated_at) ORDER BY (exporter_addr, if_key);

-- What else exporters name in options data: routing tables, applications and samplers.
CREATE TABLE IF NOT EXISTS announced_names ON CLUSTER 'prod' (
    exporter_addr IPv6,
    kind LowCardinality(String), -- vrf, application or sampler
    observation_domain_id UInt32,
    id String, -- a number; of applications engine:selector (RFC 6759 section 4)
    name String,
    description String,
    sampling_rate UInt32, -- of samplers, 0 if not told
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/announced_names', '{shard}-{replica}', updated_at) ORDER BY (exporter_addr, kind, observation_domain_id, id);

-- Names of autonomous systems, filled by nfstats from its embedded table; version tells which
-- edition of it.

CREATE TABLE IF NOT EXISTS as_names ON CLUSTER 'prod' (
    asn UInt32,
    name String,
    version String
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/as_names', '{shard}-{replica}') ORDER BY asn;

-- The dictionaries behind the alias columns of flows. They are made anew at every start, so that they follow a changed password.

CREATE OR REPLACE DICTIONARY as_name ON CLUSTER 'prod' (asn UInt64, name String)
PRIMARY KEY asn
SOURCE(CLICKHOUSE(USER 'nfstats' PASSWORD 'it\'s' QUERY 'SELECT asn, name FROM nfstats.as_names FINAL'))
LAYOUT(HASHED()) LIFETIME(MIN 3000 MAX 3600);

CREATE OR REPLACE DICTIONARY exporter ON CLUSTER 'prod' (exporter_addr IPv6, name String)
PRIMARY KEY exporter_addr
SOURCE(CLICKHOUSE(USER 'nfstats' PASSWORD 'it\'s' QUERY 'SELECT exporter_addr, name FROM nfstats.exporters FINAL'))
LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(MIN 30 MAX 60);

CREATE OR REPLACE DICTIONARY interface ON CLUSTER 'prod' (exporter_addr IPv6, if_index UInt32, name String)
PRIMARY KEY exporter_addr, if_index
SOURCE(CLICKHOUSE(USER 'nfstats' PASSWORD 'it\'s' QUERY 'SELECT exporter_addr, if_index, name FROM nfstats.interfaces FINAL'))
LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(MIN 30 MAX 60);

-- The name of an interface at a time.
CREATE OR REPLACE DICTIONARY interface_at ON CLUSTER 'prod' (exporter_addr IPv6, if_index UInt32, valid_from DateTime, valid_to DateTime, name String)
PRIMARY KEY exporter_addr, if_index
SOURCE(CLICKHOUSE(USER 'nfstats' PASSWORD 'it\'s' QUERY '
    SELECT n.exporter_addr, n.if_index, n.valid_from, n.valid_to, if(e.name = \'\', n.if_name, e.name) AS name
    FROM (
        SELECT exporter_addr, if_index, valid_from, if_name,
            leadInFrame(valid_from, 1, toDateTime(4294967295)) OVER (PARTITION BY exporter_addr, if_index ORDER BY valid_from ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) - 1 AS valid_to
        FROM nfstats.interface_names FINAL
        UNION ALL
        SELECT exporter_addr, if_index, toDateTime(0) AS valid_from, if_name, toDateTime(4294967294) AS valid_to FROM nfstats.interfaces FINAL
        WHERE (exporter_addr, if_index) NOT IN (SELECT exporter_addr, if_index FROM nfstats.interface_names)
    ) AS n LEFT JOIN (SELECT exporter_addr, if_key, name FROM nfstats.interface_edits FINAL) AS e
    ON n.exporter_addr = e.exporter_addr AND if(n.if_name = \'\', concat(\'#\', toString(n.if_index)), n.if_name) = e.if_key'))
LAYOUT(COMPLEX_KEY_RANGE_HASHED()) RANGE(MIN valid_from MAX valid_to) LIFETIME(MIN 30 MAX 60);

CREATE TABLE IF NOT EXISTS flows_local ON CLUSTER 'prod' (
    time_received DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    time_flow_start DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    time_flow_end DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    type Enum8('NETFLOW_V5' = 1, 'NETFLOW_V9' = 2, 'IPFIX' = 3, 'FLOWTOOLS' = 4, 'NFDUMP' = 5),
    collector LowCardinality(String),
    source LowCardinality(String),
    exporter_addr IPv6 CODEC(ZSTD(1)),
    observation_domain_id UInt32 CODEC(ZSTD(1)),
    src_addr IPv6 CODEC(ZSTD(1)),
    dst_addr IPv6 CODEC(ZSTD(1)),
    next_hop IPv6 CODEC(ZSTD(1)),
    bgp_next_hop IPv6 CODEC(ZSTD(1)),
    src_net UInt8,
    dst_net UInt8,
    in_if UInt32 CODEC(ZSTD(1)),
    out_if UInt32 CODEC(ZSTD(1)),
    src_as UInt32 CODEC(ZSTD(1)),
    dst_as UInt32 CODEC(ZSTD(1)),
    in_vrf UInt32 CODEC(ZSTD(1)),
    out_vrf UInt32 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(T64, ZSTD(1)),
    packets UInt64 CODEC(T64, ZSTD(1)),
    sampling_rate UInt32 DEFAULT 1 CODEC(ZSTD(1)),
    etype UInt16 CODEC(ZSTD(1)),
    proto UInt8 CODEC(ZSTD(1)),
    src_port UInt16 CODEC(ZSTD(1)),
    dst_port UInt16 CODEC(ZSTD(1)),
    tcp_flags UInt16 CODEC(ZSTD(1)),
    ip_tos UInt8 CODEC(ZSTD(1)),
    ip_ttl UInt8 CODEC(ZSTD(1)),
    icmp_type UInt8,
    icmp_code UInt8,
    flow_direction UInt8,
    forwarding_status UInt8,
    src_vlan UInt16 CODEC(ZSTD(1)),
    dst_vlan UInt16 CODEC(ZSTD(1)),
    src_mac UInt64 CODEC(ZSTD(1)),
    dst_mac UInt64 CODEC(ZSTD(1)),
    src_addr_xlate IPv6 CODEC(ZSTD(1)),
    dst_addr_xlate IPv6 CODEC(ZSTD(1)),
    src_port_xlate UInt16,
    dst_port_xlate UInt16,
    mpls_labels Array(UInt32) CODEC(ZSTD(1)),

    -- The partition. It is a column of its own so that ClickHouse keeps no minimum and maximum of time_received
    -- for each part: it compares those with a DateTime in whole seconds, and time_received < now() would
    -- skip parts that lie within the last second (ClickHouse 26.7).
    date_received Date MATERIALIZED toDate(time_received),

    -- Names that make SQL pleasant. bytes_scaled and packets_scaled estimate what the interface carried.
    sampler_address IPv6 ALIAS exporter_addr,
    bytes_scaled UInt64 ALIAS bytes * sampling_rate,
    packets_scaled UInt64 ALIAS packets * sampling_rate,
    src_ip String ALIAS if(src_addr BETWEEN toIPv6('::ffff:0.0.0.0') AND toIPv6('::ffff:255.255.255.255'), substring(toString(src_addr), 8), toString(src_addr)),
    dst_ip String ALIAS if(dst_addr BETWEEN toIPv6('::ffff:0.0.0.0') AND toIPv6('::ffff:255.255.255.255'), substring(toString(dst_addr), 8), toString(dst_addr)),
    src_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, in_if), toDateTime(time_received), ''),
    out_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, out_if), toDateTime(time_received), ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), ''),

    INDEX src_addr_index src_addr TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX dst_addr_index dst_addr TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/nfstats/flows_local', '{replica}')
PARTITION BY date_received
ORDER BY (toStartOfMinute(time_received), exporter_addr, in_if, out_if, src_addr)
TTL toDateTime(time_received) + INTERVAL 10 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows ON CLUSTER 'prod' AS flows_local ENGINE = Distributed('prod', 'nfstats', 'flows_local', cityHash64(exporter_addr, src_addr, dst_addr));

-- The rollups behind the views. The daemon fills flows_1m once a reception minute is over (rollup.go),
-- flows_1h follows from it. Counters are as exported, spread over the lifetime of their flow:
-- sampling_rate is in the key, so that sum(bytes * sampling_rate) is exact here as in flows.

CREATE TABLE IF NOT EXISTS flows_1m_local ON CLUSTER 'prod' (
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
    src_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    out_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/nfstats/flows_1m_local', '{replica}', (bytes, packets, flows, bytes_sq))
PARTITION BY toDate(time)
ORDER BY (time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source)
TTL time + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1m ON CLUSTER 'prod' AS flows_1m_local ENGINE = Distributed('prod', 'nfstats', 'flows_1m_local', cityHash64(exporter_addr, in_if, out_if));

CREATE TABLE IF NOT EXISTS flows_1h_local ON CLUSTER 'prod' (
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
    src_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    out_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/nfstats/flows_1h_local', '{replica}', (bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1h ON CLUSTER 'prod' AS flows_1h_local ENGINE = Distributed('prod', 'nfstats', 'flows_1h_local', cityHash64(exporter_addr, in_if, out_if));

-- The hours follow from the minutes as these are inserted: a block of minutes is small, and one
-- token covers all tables.
CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_of_1m ON CLUSTER 'prod' TO flows_1h_local AS
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m_local
GROUP BY ALL;

-- The same sums by fewer columns, from which most charts are drawn: a day of them has a fifth of the
-- rows, or less. _in is by input interface and source AS, _out by output interface and destination AS, _path
-- by all four. LZ4 takes a third more disk than ZSTD and is read a quarter faster.

CREATE TABLE IF NOT EXISTS flows_1m_in_local ON CLUSTER 'prod' (
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
    src_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(src_as), ''),
    in_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/nfstats/flows_1m_in_local', '{replica}', (bytes, packets, flows, bytes_sq))
PARTITION BY toDate(time)
ORDER BY (time, exporter_addr, in_if, src_as, sampling_rate, collector, source)
TTL time + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1m_in ON CLUSTER 'prod' AS flows_1m_in_local ENGINE = Distributed('prod', 'nfstats', 'flows_1m_in_local', cityHash64(exporter_addr, in_if));

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1m_in_of_1m ON CLUSTER 'prod' TO flows_1m_in_local AS
SELECT time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m_local
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1m_out_local ON CLUSTER 'prod' (
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
    dst_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(dst_as), ''),
    out_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/nfstats/flows_1m_out_local', '{replica}', (bytes, packets, flows, bytes_sq))
PARTITION BY toDate(time)
ORDER BY (time, exporter_addr, out_if, dst_as, sampling_rate, collector, source)
TTL time + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1m_out ON CLUSTER 'prod' AS flows_1m_out_local ENGINE = Distributed('prod', 'nfstats', 'flows_1m_out_local', cityHash64(exporter_addr, out_if));

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1m_out_of_1m ON CLUSTER 'prod' TO flows_1m_out_local AS
SELECT time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m_local
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1h_in_local ON CLUSTER 'prod' (
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
    src_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(src_as), ''),
    in_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/nfstats/flows_1h_in_local', '{replica}', (bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, in_if, src_as, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1h_in ON CLUSTER 'prod' AS flows_1h_in_local ENGINE = Distributed('prod', 'nfstats', 'flows_1h_in_local', cityHash64(exporter_addr, in_if));

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_in_of_1m ON CLUSTER 'prod' TO flows_1h_in_local AS
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m_local
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1h_out_local ON CLUSTER 'prod' (
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
    dst_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(dst_as), ''),
    out_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/nfstats/flows_1h_out_local', '{replica}', (bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, out_if, dst_as, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1h_out ON CLUSTER 'prod' AS flows_1h_out_local ENGINE = Distributed('prod', 'nfstats', 'flows_1h_out_local', cityHash64(exporter_addr, out_if));

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_out_of_1m ON CLUSTER 'prod' TO flows_1h_out_local AS
SELECT toStartOfHour(time) AS time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m_local
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS flows_1h_path_local ON CLUSTER 'prod' (
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
    src_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('nfstats.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, in_if), time, ''),
    out_if_name String ALIAS dictGetOrDefault('nfstats.interface_at', 'name', tuple(exporter_addr, out_if), time, ''),
    exporter_name String ALIAS dictGetOrDefault('nfstats.exporter', 'name', tuple(exporter_addr), '')
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/nfstats/flows_1h_path_local', '{replica}', (bytes, packets, flows, bytes_sq))
PARTITION BY toYYYYMM(time)
ORDER BY (time, exporter_addr, in_if, out_if, src_as, dst_as, sampling_rate, collector, source)
TTL time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flows_1h_path ON CLUSTER 'prod' AS flows_1h_path_local ENGINE = Distributed('prod', 'nfstats', 'flows_1h_path_local', cityHash64(exporter_addr, in_if, out_if));

CREATE MATERIALIZED VIEW IF NOT EXISTS flows_1h_path_of_1m ON CLUSTER 'prod' TO flows_1h_path_local AS
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq
FROM flows_1m_local
GROUP BY ALL;

-- What has been rolled up: the live flows (source = '') that a collector received before rolled_to,
-- and whole imported files. While rolling is not 0, so many seconds from rolled_to on are on their way.
CREATE TABLE IF NOT EXISTS rollups ON CLUSTER 'prod' (
    collector String,
    source String,
    rolled_to DateTime('UTC'),
    rolling UInt16,
    version UInt64 DEFAULT toUnixTimestamp(rolled_to) * 2 + (rolling > 0) -- grows with every step
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/rollups', '{shard}-{replica}', version) ORDER BY (collector, source);

-- What SNMP tells, and what follows from it.

CREATE TABLE IF NOT EXISTS if_counters ON CLUSTER 'prod' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/nfstats/if_counters', '{shard}-{replica}')
PARTITION BY toDate(time)
ORDER BY (exporter_addr, if_index, time)
TTL toDateTime(time) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS calibration ON CLUSTER 'prod' (
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/calibration', '{shard}-{replica}', updated_at)
PARTITION BY toYYYYMM(bucket)
ORDER BY (bucket, exporter_addr, if_index, direction)
TTL bucket + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Which archive files are in. The newest row of an id counts.

CREATE TABLE IF NOT EXISTS imports ON CLUSTER 'prod' (
    id String, -- digest of the file's content; flows.source of its rows
    attempt UInt32, -- counts up each time the file is forgotten
    path String,
    format LowCardinality(String), -- flow-tools or nfdump
    state Enum8('running' = 1, 'done' = 2, 'damaged' = 3, 'forgotten' = 4),
    error String,
    flows UInt64,
    packets UInt64,
    bytes UInt64,
    first_flow DateTime64(3, 'UTC'),
    last_flow DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/imports', '{shard}-{replica}', updated_at) ORDER BY id;

-- What operators changed at run time of how long rows are kept. The newest row of a name counts, and
-- only while the configuration says what it said then.

CREATE TABLE IF NOT EXISTS retention ON CLUSTER 'prod' (
    name String, -- a table, or max_disk
    value String, -- days, or the budget
    configured String, -- the configuration's value when this was set
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/nfstats/retention', '{shard}-{replica}', updated_at) ORDER BY name;

-- Records with counters that no network can have carried are marked as they come in (decoder.Plausibility).
-- Rows from before, and those that others insert, are judged by their own counters alone: 2^53 octets or
-- packets, multiplied by the sampling rate, are too many.
--
-- What is multiplied becomes Float64: sums of UInt64 wrap at 2^64. Each number up to 2^53 is exact in it.

ALTER TABLE flows_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS implausible UInt8 DEFAULT greatest(bytes, packets) > intDiv(9007199254740992, greatest(sampling_rate, 1)) CODEC(ZSTD(1)) AFTER mpls_labels,
    MODIFY COLUMN bytes_scaled Float64 ALIAS if(implausible, 0, toFloat64(bytes) * sampling_rate),
    MODIFY COLUMN packets_scaled Float64 ALIAS if(implausible, 0, toFloat64(packets) * sampling_rate);

-- Records with counters that no network can have carried are marked as they come in (decoder.Plausibility).
-- Rows from before, and those that others insert, are judged by their own counters alone: 2^53 octets or
-- packets, multiplied by the sampling rate, are too many.
--
-- What is multiplied becomes Float64: sums of UInt64 wrap at 2^64. Each number up to 2^53 is exact in it.

ALTER TABLE flows ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS implausible UInt8 DEFAULT greatest(bytes, packets) > intDiv(9007199254740992, greatest(sampling_rate, 1)) CODEC(ZSTD(1)) AFTER mpls_labels,
    MODIFY COLUMN bytes_scaled Float64 ALIAS if(implausible, 0, toFloat64(bytes) * sampling_rate),
    MODIFY COLUMN packets_scaled Float64 ALIAS if(implausible, 0, toFloat64(packets) * sampling_rate);

ALTER TABLE flows_1m_local ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1m ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_local ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1m_in_local ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1m_in ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1m_out_local ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1m_out ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_in_local ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_in ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_out_local ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_out ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_path_local ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_path ON CLUSTER 'prod' MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

-- When the flows of an archive came in: they are kept as long from then on as live flows are from their
-- reception, for which it stays 0, as in rows from before this column. A table of one value takes next
-- to no room. In the rollups it is no part of the key: the source is, so that imported and live rows
-- are never added up into one.

ALTER TABLE flows_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER implausible;

-- When the flows of an archive came in: they are kept as long from then on as live flows are from their
-- reception, for which it stays 0, as in rows from before this column. A table of one value takes next
-- to no room. In the rollups it is no part of the key: the source is, so that imported and live rows
-- are never added up into one.

ALTER TABLE flows ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER implausible;

ALTER TABLE flows_1m_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1m ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1m_in_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1m_in ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1m_out_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1m_out ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_in_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_in ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_out_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_out ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_path_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_path ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

-- The TTL is store/ttl.go's: it takes the days from the settings.

ALTER TABLE flows_1h_of_1m ON CLUSTER 'prod' MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m_local
GROUP BY ALL;

ALTER TABLE flows_1m_in_of_1m ON CLUSTER 'prod' MODIFY QUERY
SELECT time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m_local
GROUP BY ALL;

ALTER TABLE flows_1m_out_of_1m ON CLUSTER 'prod' MODIFY QUERY
SELECT time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m_local
GROUP BY ALL;

ALTER TABLE flows_1h_in_of_1m ON CLUSTER 'prod' MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m_local
GROUP BY ALL;

ALTER TABLE flows_1h_out_of_1m ON CLUSTER 'prod' MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m_local
GROUP BY ALL;

ALTER TABLE flows_1h_path_of_1m ON CLUSTER 'prod' MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m_local
GROUP BY ALL;
