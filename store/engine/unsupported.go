package engine

import "errors"

var errUnsupported = errors.New("the embedded ClickHouse needs Linux on amd64 or arm64: set store.clickhouse to a server of yours")
