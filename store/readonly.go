package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// What a statement of somebody may use at the operator's own ClickHouse. The
// read-only listener of the embedded one has bounds of its own.
const (
	statementSeconds = 60
	statementMemory  = 4 << 30 // bytes
)

// A StatementError is what ClickHouse says about a statement, in its own words.
type StatementError struct{ Message string }

// Error returns the message.
func (e *StatementError) Error() string { return e.Message }

// ReadOnly runs statements that users write.
type ReadOnly struct {
	store    *Store
	listener string // host:port of the embedded engine's read-only listener; "": the operator's ClickHouse
}

// NewReadOnly returns what runs statements: through the read-only listener
// (host:port), or, if that is "", at the operator's ClickHouse with readonly=1,
// which keeps a statement from changing data and its own limits. What such a
// statement may read is up to the grants of the user in store.clickhouse.
func NewReadOnly(s *Store, listener string) *ReadOnly { return &ReadOnly{store: s, listener: listener} }

// Confined reports that statements cannot read anything but NFStats' tables.
func (r *ReadOnly) Confined() bool { return r.listener != "" }

// Read is what a statement read of the tables; zero where ClickHouse does not say.
type Read struct{ Rows, Bytes uint64 }

// Run copies the answer to w in a format of ClickHouse. Reading ends about when
// the answer has maxRows (0: no bound). A statement that asks for another format
// is refused, because whoever reads w knows only the one.
func (r *ReadOnly) Run(ctx context.Context, statement, format string, maxRows int, w io.Writer) (Read, error) {
	settings := clickhouse.Settings{}
	if maxRows > 0 {
		settings["max_result_rows"], settings["result_overflow_mode"] = maxRows, "break"
	}
	client, base, user := http.DefaultClient, "http://"+r.listener, clickhouse.Auth{}
	if r.listener == "" {
		settings["readonly"], settings["max_execution_time"], settings["max_memory_usage"] = 1, statementSeconds, statementMemory
		settings["cancel_http_readonly_queries_on_client_close"] = 1
		client, base = r.store.httpClient()
		user = r.store.options.Auth
		defer client.CloseIdleConnections()
	}
	response, err := postStatement(ctx, client, base, user, statement, parametersOf(r.store.database, format, settings))
	if err != nil {
		return Read{}, err
	}
	defer response.Body.Close()
	if other := response.Header.Get("X-ClickHouse-Format"); response.StatusCode == http.StatusOK && other != "" && !strings.EqualFold(other, format) {
		return Read{}, &StatementError{"The statement asks for FORMAT " + other + ". Leave FORMAT out: the answer comes as a table, or as CSV."}
	}
	return readBy(response), copyAnswer(response, w)
}

// readBy returns what the summary of an answer says. The summary of an answer
// whose length was not known when it began is that of a part of the reading.
func readBy(response *http.Response) Read {
	var summary struct {
		Rows  uint64 `json:"read_rows,string"`
		Bytes uint64 `json:"read_bytes,string"`
	}
	if response.ContentLength < 0 || json.Unmarshal([]byte(response.Header.Get("X-ClickHouse-Summary")), &summary) != nil {
		return Read{}
	}
	return Read{Rows: summary.Rows, Bytes: summary.Bytes}
}

func copyAnswer(response *http.Response, w io.Writer) error {
	if response.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
		if len(bytes.TrimSpace(message)) == 0 {
			return errors.New("ask ClickHouse: " + response.Status)
		}
		return &StatementError{string(bytes.TrimSpace(message))}
	}
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("read ClickHouse's answer: %w", err)
	}
	return nil
}
