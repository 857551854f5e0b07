// Package store is the way to ClickHouse: the connection, the migrations, the
// writer of flow batches and the queries behind each view.
//
// All SQL is ClickHouse's and goes through clickhouse-go, whether the server is
// the user's or the embedded engine (package engine), so there is one dialect
// and one code path. A Store is safe for concurrent use.
package store
