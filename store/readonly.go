package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// What a statement of somebody may use at the operator's own ClickHouse. The
// embedded one's reader has bounds of its own.
const (
	statementSeconds = 60
	statementMemory  = 4 << 30 // bytes
)

// A StatementError is what ClickHouse says about a statement, in its own words.
type StatementError struct{ Message string }

// Error returns the message.
func (e *StatementError) Error() string { return e.Message }

// A Statement is what a user asks.
type Statement struct {
	Text    string
	Format  string // of ClickHouse, for the answer
	MaxRows int    // reading ends about when the answer has as many; 0: no bound
	Admin   bool   // may read what only admins see
}

// A Reader is how to reach the embedded engine's process for statements of users;
// *engine.Supervisor has what it takes.
type Reader struct {
	Dial func(ctx context.Context) (net.Conn, error)
	Key  string
}

// ReadOnly runs statements that users write.
type ReadOnly struct {
	store  *Store
	reader *http.Client // of the embedded engine; nil: the operator's ClickHouse
	key    string
}

// NewReadOnly returns what runs statements: by the embedded engine's reader, or, if
// that is nil, at the operator's ClickHouse with readonly=1, which keeps a statement
// from changing data and its own limits. What such a statement may read is up to the
// grants of the user in store.clickhouse.
func NewReadOnly(s *Store, reader *Reader) *ReadOnly {
	if reader == nil {
		return &ReadOnly{store: s}
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return reader.Dial(ctx) }
	// Each statement has a connection of its own: the process may end with one.
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	return &ReadOnly{store: s, reader: &http.Client{Transport: transport}, key: reader.Key}
}

// Confined reports that statements cannot read anything but NFStats' tables.
func (r *ReadOnly) Confined() bool { return r.reader != nil }

// Read is what a statement read of the tables; zero where ClickHouse does not say.
type Read struct{ Rows, Bytes uint64 }

// Run copies the answer to w. A statement that asks for another format is refused,
// because whoever reads w knows only the one.
func (r *ReadOnly) Run(ctx context.Context, s Statement, w io.Writer) (Read, error) {
	settings := clickhouse.Settings{}
	if s.MaxRows > 0 {
		settings["max_result_rows"], settings["result_overflow_mode"] = s.MaxRows, "break"
	}
	response, err := r.ask(ctx, s, settings)
	if err != nil {
		return Read{}, err
	}
	defer response.Body.Close()
	other := response.Header.Get("X-ClickHouse-Format")
	if response.StatusCode == http.StatusOK && other != "" && !strings.EqualFold(other, s.Format) {
		return Read{}, &StatementError{"The statement asks for FORMAT " + other +
			". Leave FORMAT out: the answer comes as a table, or as CSV."}
	}
	return readBy(response), copyAnswer(response, w)
}

// ask sends a statement.
func (r *ReadOnly) ask(ctx context.Context, s Statement, settings clickhouse.Settings) (*http.Response, error) {
	if r.reader != nil {
		parameters := parametersOf(r.store.database, s.Format, settings)
		if s.Admin {
			parameters.Set("role", "admin")
		}
		response, err := postStatement(ctx, r.reader, "http://reader", clickhouse.Auth{Username: "nfstats", Password: r.key}, s.Text, parameters)
		return response, explainedReader(ctx, err)
	}
	settings["readonly"], settings["max_execution_time"], settings["max_memory_usage"] = 1, statementSeconds, statementMemory
	settings["cancel_http_readonly_queries_on_client_close"] = 1
	client, base := r.store.httpClient()
	defer client.CloseIdleConnections()
	return postStatement(ctx, client, base, r.store.options.Auth, s.Text, parametersOf(r.store.database, s.Format, settings))
}

// explainedReader says what it means that the reader broke a connection off.
func explainedReader(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return &StatementError{"The process for users' SQL has ended, by this statement or by one that ran beside it: " +
			"it took too much memory or time. It is started again; ask for less."}
	}
	return err
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
		return explainedReader(response.Request.Context(), fmt.Errorf("read ClickHouse's answer: %w", err))
	}
	return nil
}
