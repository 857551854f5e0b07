CREATE TABLE IF NOT EXISTS flows (
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
    src_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(src_as), ''),
    dst_as_name String ALIAS dictGetOrDefault('{database}.as_name', 'name', toUInt64(dst_as), ''),
    in_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, in_if), toDateTime(time_received), ''),
    out_if_name String ALIAS dictGetOrDefault('{database}.interface_at', 'name', tuple(exporter_addr, out_if), toDateTime(time_received), ''),
    exporter_name String ALIAS dictGetOrDefault('{database}.exporter', 'name', tuple(exporter_addr), ''),

    INDEX src_addr_index src_addr TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX dst_addr_index dst_addr TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY date_received
ORDER BY (toStartOfMinute(time_received), exporter_addr, in_if, out_if, src_addr)
TTL toDateTime(time_received) + INTERVAL 10 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;
