package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// Run copies the answer to w in a format of ClickHouse. Reading ends about when
// the answer has maxRows (0: no bound).
func (r *ReadOnly) Run(ctx context.Context, statement, format string, maxRows int, w io.Writer) error {
	settings := clickhouse.Settings{}
	if maxRows > 0 {
		settings["max_result_rows"], settings["result_overflow_mode"] = maxRows, "break"
	}
	if r.listener == "" {
		settings["readonly"], settings["max_execution_time"], settings["max_memory_usage"] = 1, statementSeconds, statementMemory
		settings["cancel_http_readonly_queries_on_client_close"] = 1
		return r.store.rawWith(ctx, statement, format, nil, settings, w)
	}
	parameters := url.Values{"default_format": {format}, "database": {r.store.database}}
	for name, value := range settings {
		parameters.Set(name, fmt.Sprint(value))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.listener+"/?"+parameters.Encode(), strings.NewReader(statement))
	if err != nil {
		return fmt.Errorf("ask ClickHouse: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask ClickHouse: %w", err)
	}
	defer response.Body.Close()
	return copyAnswer(response, w)
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
