-- Inventory: what is known of exporters and their interfaces. The newest row of
-- a key counts.

CREATE TABLE IF NOT EXISTS exporters (
    exporter_addr IPv6,
    name String, -- the operator's, else the device's own
    description String,
    system_name String, -- sysName
    edited_name String, -- the operator's
    sampling_rate UInt32, -- set by an operator for all interfaces, 0 for none
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(updated_at) ORDER BY exporter_addr;

CREATE TABLE IF NOT EXISTS interfaces (
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
) ENGINE = ReplacingMergeTree(updated_at) ORDER BY (exporter_addr, if_index);

-- Which interface an ifIndex was, from when on: devices renumber when they restart.
CREATE TABLE IF NOT EXISTS interface_names (
    exporter_addr IPv6,
    if_index UInt32,
    valid_from DateTime('UTC'),
    if_name String,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(updated_at) ORDER BY (exporter_addr, if_index, valid_from);

-- What operators say of interfaces. The key is the interface's own name, so that it survives
-- renumbering, or # and the ifIndex where it has none.
CREATE TABLE IF NOT EXISTS interface_edits (
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
) ENGINE = ReplacingMergeTree(updated_at) ORDER BY (exporter_addr, if_key);

-- What else exporters name in options data: routing tables, applications and samplers.
CREATE TABLE IF NOT EXISTS announced_names (
    exporter_addr IPv6,
    kind LowCardinality(String), -- vrf, application or sampler
    observation_domain_id UInt32,
    id String, -- a number; of applications engine:selector (RFC 6759 section 4)
    name String,
    description String,
    sampling_rate UInt32, -- of samplers, 0 if not told
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(updated_at) ORDER BY (exporter_addr, kind, observation_domain_id, id);

-- Names of autonomous systems, filled by nfstats from its embedded table; version tells which
-- edition of it.

CREATE TABLE IF NOT EXISTS as_names (
    asn UInt32,
    name String,
    version String
) ENGINE = ReplacingMergeTree ORDER BY asn;
