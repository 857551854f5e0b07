//go:build linux && (amd64 || arm64)

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library holds the functions of libchdb's C interface (chdb.h, 26.7). Results,
// streams and connections are opaque pointers that must be destroyed.
type library struct {
	connect         func(argc int32, argv **byte) unsafe.Pointer
	closeConnection func(connection unsafe.Pointer)
	shutdown        func()
	signalHandlers  func(enabled int32)
	version         func() string
	classify        func(connection unsafe.Pointer, sql *byte, n uintptr, database *byte, databaseLen uintptr, analysis *analysis) int32

	queryWhole func(connection unsafe.Pointer, sql *byte, n uintptr, format *byte, formatLen uintptr,
		names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) unsafe.Pointer
	streamQuery func(connection unsafe.Pointer, sql *byte, n uintptr, format *byte, formatLen uintptr,
		names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) unsafe.Pointer
	streamFetch  func(connection, stream unsafe.Pointer) unsafe.Pointer
	streamCancel func(connection, stream unsafe.Pointer)

	insert func(connection unsafe.Pointer, sql *byte, n uintptr, format *byte, formatLen uintptr,
		names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) unsafe.Pointer
	insertAppend  func(stream unsafe.Pointer, data *byte, n uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertCancel  func(stream unsafe.Pointer)
	insertError   func(stream unsafe.Pointer) string
	insertDestroy func(stream unsafe.Pointer)

	resultBuffer       func(result unsafe.Pointer) unsafe.Pointer
	resultLength       func(result unsafe.Pointer) uintptr
	resultError        func(result unsafe.Pointer) string
	resultRows         func(result unsafe.Pointer) uint64
	resultRowsRead     func(result unsafe.Pointer) uint64
	resultBytesRead    func(result unsafe.Pointer) uint64
	resultRowsWritten  func(result unsafe.Pointer) uint64
	resultBytesWritten func(result unsafe.Pointer) uint64
	resultDestroy      func(result unsafe.Pointer)
}

// loadLibrary loads libchdb.so.
func loadLibrary(path string) (l *library, err error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load the embedded ClickHouse: %w", err)
	}
	defer func() { // RegisterLibFunc panics where a symbol is missing
		if missing := recover(); missing != nil {
			err = fmt.Errorf("%s is not the libchdb that nfstats was made for: %v", path, missing)
		}
	}()
	l = new(library)
	for name, function := range map[string]any{
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConnection,
		"chdb_shutdown":                    &l.shutdown,
		"chdb_set_signal_handlers_enabled": &l.signalHandlers,
		"chdb_version":                     &l.version,
		"chdb_classify_query_n":            &l.classify,
		"chdb_query_with_params_n":         &l.queryWhole,
		"chdb_stream_query_with_params_n":  &l.streamQuery,
		"chdb_stream_fetch_result":         &l.streamFetch,
		"chdb_stream_cancel_query":         &l.streamCancel,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_rows_read":            &l.resultRows,
		"chdb_result_storage_rows_read":    &l.resultRowsRead,
		"chdb_result_storage_bytes_read":   &l.resultBytesRead,
		"chdb_result_rows_written":         &l.resultRowsWritten,
		"chdb_result_bytes_written":        &l.resultBytesWritten,
		"chdb_destroy_query_result":        &l.resultDestroy,
	} {
		purego.RegisterLibFunc(function, handle, name)
	}
	l.signalHandlers(0) // Go's must stay
	return l, nil
}

// analysis is chdb_query_analysis_v1.
type analysis struct {
	size, statements, _, class uint32
}

const classReadOnly = 0

// A connection runs one statement at a time.
type connection struct {
	library *library
	handle  unsafe.Pointer // what chdb_connect returned
}

// open connects with arguments such as --path=… and --max_threads=4.
func (l *library) open(arguments []string) (*connection, error) {
	argv := make([]*byte, 0, len(arguments)+1)
	for _, a := range append([]string{"clickhouse"}, arguments...) {
		argv = append(argv, &append([]byte(a), 0)[0])
	}
	handle := l.connect(int32(len(argv)), &argv[0])
	runtime.KeepAlive(argv)
	if handle == nil || *(*unsafe.Pointer)(handle) == nil {
		return nil, errors.New("ClickHouse refuses the connection (its log tells why)")
	}
	return &connection{library: l, handle: handle}, nil
}

func (c *connection) pointer() unsafe.Pointer { return *(*unsafe.Pointer)(c.handle) }

func (c *connection) close() { c.library.closeConnection(c.handle) }

// readOnly reports whether sql is one statement that leaves no trace.
func (c *connection) readOnly(sql string) bool {
	text := nonEmpty(sql)
	a := analysis{size: uint32(unsafe.Sizeof(analysis{}))}
	if c.library.classify(c.pointer(), &text[0], uintptr(len(sql)), nil, 0, &a) != 0 {
		return false
	}
	return a.class == classReadOnly && a.statements == 1
}

func (s *summary) add(l *library, result unsafe.Pointer) {
	s.readRows = max(s.readRows, l.resultRowsRead(result))
	s.readBytes = max(s.readBytes, l.resultBytesRead(result))
	s.writtenRows = max(s.writtenRows, l.resultRowsWritten(result))
	s.writtenBytes = max(s.writtenBytes, l.resultBytesWritten(result))
	s.resultRows += l.resultRows(result)
}

// statement is a query's text and parameters in the form that libchdb takes.
type statement struct {
	sql, format         []byte
	sqlLen, formatLen   uintptr
	names, values       []*byte
	nameLens, valueLens []uintptr
}

func newStatement(sql, format string, parameters map[string]string) *statement {
	t := &statement{sql: nonEmpty(sql), sqlLen: uintptr(len(sql)), format: nonEmpty(format), formatLen: uintptr(len(format))}
	for name, value := range parameters {
		t.names, t.nameLens = append(t.names, &nonEmpty(name)[0]), append(t.nameLens, uintptr(len(name)))
		t.values, t.valueLens = append(t.values, &nonEmpty(value)[0]), append(t.valueLens, uintptr(len(value)))
	}
	return t
}

func (t *statement) run(c *connection, function func(unsafe.Pointer, *byte, uintptr, *byte, uintptr, **byte, *uintptr, **byte, *uintptr, uintptr) unsafe.Pointer) unsafe.Pointer {
	result := function(c.pointer(), &t.sql[0], t.sqlLen, &t.format[0], t.formatLen,
		unsafe.SliceData(t.names), unsafe.SliceData(t.nameLens), unsafe.SliceData(t.values), unsafe.SliceData(t.valueLens), uintptr(len(t.names)))
	runtime.KeepAlive(t)
	return result
}

// exec runs a statement and returns its whole formatted result.
func (c *connection) exec(sql, format string, parameters map[string]string) ([]byte, summary, error) {
	l, s := c.library, summary{}
	result := newStatement(sql, format, parameters).run(c, l.queryWhole)
	defer l.resultDestroy(result)
	if message := l.resultError(result); message != "" {
		return nil, s, parseException(message)
	}
	s.add(l, result)
	n := l.resultLength(result)
	if n == 0 {
		return nil, s, nil
	}
	return bytes.Clone(unsafe.Slice((*byte)(l.resultBuffer(result)), n)), s, nil
}

// query runs a statement and yields its formatted result in pieces, which are
// valid during the call. An error of yield ends it and is returned.
func (c *connection) query(sql, format string, parameters map[string]string, yield func([]byte) error) (s summary, err error) {
	l := c.library
	stream := newStatement(sql, format, parameters).run(c, l.streamQuery)
	defer l.resultDestroy(stream)
	if message := l.resultError(stream); strings.Contains(message, "Streaming query is not supported") {
		whole, s, err := c.exec(sql, format, parameters)
		if err == nil && len(whole) > 0 {
			err = yield(whole)
		}
		return s, err
	} else if message != "" {
		return s, parseException(message)
	}
	for {
		result := l.streamFetch(c.pointer(), stream)
		message, n := l.resultError(result), l.resultLength(result)
		s.add(l, result)
		switch {
		case message != "":
			err = parseException(message)
		case n > 0:
			if err = yield(unsafe.Slice((*byte)(l.resultBuffer(result)), n)); err != nil {
				l.streamCancel(c.pointer(), stream)
			}
		}
		l.resultDestroy(result)
		if err != nil || n == 0 {
			return s, err
		}
	}
}

// An insertion is an INSERT whose data are being sent.
type insertion struct {
	connection *connection
	stream     unsafe.Pointer
}

// startInsert begins "INSERT INTO t (…)" (without FORMAT); finish or cancel must
// follow.
func (c *connection) startInsert(sql, format string, parameters map[string]string) (*insertion, error) {
	l := c.library
	stream := newStatement(sql, format, parameters).run(c, l.insert)
	if message := l.insertError(stream); message != "" {
		l.insertDestroy(stream)
		return nil, parseException(message)
	}
	return &insertion{c, stream}, nil
}

// append sends data. It reports false when the insert has failed; finish tells
// why.
func (i *insertion) append(data []byte) bool {
	return len(data) == 0 || i.connection.library.insertAppend(i.stream, &data[0], uintptr(len(data))) == 0
}

// finish commits the insert.
func (i *insertion) finish() (s summary, err error) {
	l := i.connection.library
	defer l.insertDestroy(i.stream)
	result := l.insertDone(i.stream)
	defer l.resultDestroy(result)
	if message := l.resultError(result); message != "" {
		return s, parseException(message)
	}
	s.add(l, result)
	return s, nil
}

// cancel gives the insert up.
func (i *insertion) cancel() {
	i.connection.library.insertCancel(i.stream)
	i.connection.library.insertDestroy(i.stream)
}

// nonEmpty returns the bytes of s with at least one, to have an address.
func nonEmpty(s string) []byte {
	if s == "" {
		return []byte{0}
	}
	return []byte(s)
}
