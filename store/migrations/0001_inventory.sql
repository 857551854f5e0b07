-- Inventory: what is known of exporters and their interfaces. The newest row of
-- a key counts.

CREATE TABLE IF NOT EXISTS exporters (
    exporter_addr IPv6,
    name String,
    description String,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(updated_at) ORDER BY exporter_addr;

CREATE TABLE IF NOT EXISTS interfaces (
    exporter_addr IPv6,
    if_index UInt32,
    name String,
    description String,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(updated_at) ORDER BY (exporter_addr, if_index);

-- Names of autonomous systems, filled by nfstats from its embedded table; version tells which
-- edition of it.

CREATE TABLE IF NOT EXISTS as_names (
    asn UInt32,
    name String,
    version String
) ENGINE = ReplacingMergeTree ORDER BY asn;
