-- What operators changed at run time of how long rows are kept. The newest row of a name counts, and
-- only while the configuration says what it said then.

CREATE TABLE IF NOT EXISTS retention (
    name String, -- a table, or max_disk
    value String, -- days, or the budget
    configured String, -- the configuration's value when this was set
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(updated_at) ORDER BY name;
