-- Which archive files are in. The newest row of an id counts.

CREATE TABLE IF NOT EXISTS imports (
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
ENGINE = ReplacingMergeTree(updated_at) ORDER BY id;
