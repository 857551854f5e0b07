package engine

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// An exception is ClickHouse's own error.
type exception struct {
	code    int // ClickHouse's error code
	message string
}

// Error returns the message in ClickHouse's form: "Code: 60. DB::Exception: …".
func (e *exception) Error() string { return e.message }

// Codes of ClickHouse that this package itself gives or looks for.
const (
	codeSyntaxError         = 62
	codeUnknownTable        = 60
	codeUnknownDatabase     = 81
	codeTimeout             = 159
	codeReadOnly            = 164
	codeTooManyQueries      = 202
	codeTooManyRowsOrBytes  = 396
	codeQueryCancelled      = 394
	codeAuthentication      = 516
	codeUnknown             = 1002
	codeIncorrectHTTPHeader = 290
)

var exceptionCode = regexp.MustCompile(`Code: (\d+)\.`)

// parseException makes an exception of a message of libchdb.
func parseException(message string) *exception {
	message = strings.TrimSpace(message)
	e := &exception{code: codeUnknown, message: message}
	if match := exceptionCode.FindStringSubmatchIndex(message); match != nil {
		e.code, _ = strconv.Atoi(message[match[2]:match[3]])
		e.message = message[match[0]:] // without libchdb's own preface
	}
	return e
}

func newException(code int, format string, args ...any) *exception {
	return &exception{code, fmt.Sprintf("Code: %d. DB::Exception: ", code) + fmt.Sprintf(format, args...)}
}

// status is the HTTP status that ClickHouse's server gives with the code.
func (e *exception) status() int {
	switch e.code {
	case codeUnknownTable, codeUnknownDatabase, 36 /* BAD_ARGUMENTS has 400 */ :
		if e.code == 36 {
			return http.StatusBadRequest
		}
		return http.StatusNotFound
	case codeSyntaxError, 6, 26, 27, 38, 41, 43, 46, 47, 53, 70, 72, 130, 457: // parse errors and types
		return http.StatusBadRequest
	case codeAuthentication:
		return http.StatusUnauthorized
	case codeTimeout:
		return http.StatusRequestTimeout
	case codeTooManyQueries:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}
