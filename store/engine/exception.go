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

// Codes of ClickHouse that this package itself gives.
const (
	codeUnsupportedMethod  = 1
	codeBadArguments       = 36
	codeUnknownName        = 47
	codeTableExists        = 57
	codeUnknownTable       = 60
	codeNotImplemented     = 48
	codeSyntaxError        = 62
	codeUnknownCompression = 89
	codeNoFile             = 107
	codeUnknownSetting     = 115
	codeReadOnly           = 164
	codeTimeout            = 159
	codeTooManyQueries     = 202
	codeQueryTooLarge      = 229
	codeMemoryLimit        = 241
	codeCancelled          = 394
	codeAuthentication     = 516
	codeStandard           = 1001
	codeUnknown            = 1002
)

// damageCodes are those of data that are not what they should be:
// CANNOT_READ_ALL_DATA, CHECKSUM_DOESNT_MATCH, INCORRECT_DATA, CORRUPTED_DATA,
// CANNOT_DECOMPRESS, UNKNOWN_CODEC.
var damageCodes = []int{33, 40, 117, 246, 271, 432}

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

// httpStatus holds the HTTP statuses that ClickHouse's server gives with its
// error codes (exceptionCodeToHTTPStatus.cpp); all others get 500.
var httpStatus = map[int]int{
	6: http.StatusBadRequest, 8: http.StatusBadRequest, 15: http.StatusBadRequest, 25: http.StatusBadRequest, // CANNOT_PARSE_TEXT, THERE_IS_NO_COLUMN, DUPLICATE_COLUMN, CANNOT_PARSE_ESCAPE_SEQUENCE
	26: http.StatusBadRequest, 27: http.StatusBadRequest, 36: http.StatusBadRequest, 37: http.StatusBadRequest, // CANNOT_PARSE_QUOTED_STRING, CANNOT_PARSE_INPUT_ASSERTION_FAILED, BAD_ARGUMENTS, UNKNOWN_ELEMENT_IN_AST
	38: http.StatusBadRequest, 41: http.StatusBadRequest, 44: http.StatusBadRequest, 53: http.StatusBadRequest, // CANNOT_PARSE_DATE, CANNOT_PARSE_DATETIME, ILLEGAL_COLUMN, TYPE_MISMATCH
	62: http.StatusBadRequest, 72: http.StatusBadRequest, 117: http.StatusBadRequest, 123: http.StatusBadRequest, // SYNTAX_ERROR, CANNOT_PARSE_NUMBER, INCORRECT_DATA, UNKNOWN_TYPE_OF_AST_NODE
	167: http.StatusBadRequest, 168: http.StatusBadRequest, 223: http.StatusBadRequest, 321: http.StatusBadRequest, // TOO_DEEP_AST, TOO_BIG_AST, UNEXPECTED_AST_STRUCTURE, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	376: http.StatusBadRequest, 427: http.StatusBadRequest, 441: http.StatusBadRequest, 675: http.StatusBadRequest, 676: http.StatusBadRequest, // CANNOT_PARSE_UUID, CANNOT_COMPILE_REGEXP, CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING, CANNOT_PARSE_IPV4, _IPV6

	46: http.StatusNotFound, 47: http.StatusNotFound, 50: http.StatusNotFound, 56: http.StatusNotFound, // UNKNOWN_FUNCTION, _IDENTIFIER, _TYPE, _STORAGE
	60: http.StatusNotFound, 63: http.StatusNotFound, 73: http.StatusNotFound, 78: http.StatusNotFound, // UNKNOWN_TABLE, _AGGREGATE_FUNCTION, _FORMAT, _TYPE_OF_QUERY
	81: http.StatusNotFound, 115: http.StatusNotFound, 152: http.StatusNotFound, 336: http.StatusNotFound, 511: http.StatusNotFound, // UNKNOWN_DATABASE, _SETTING, _DIRECTION_OF_SORTING, _DATABASE_ENGINE, _ROLE

	194: http.StatusUnauthorized,                                                                               // REQUIRED_PASSWORD
	192: http.StatusForbidden, 193: http.StatusForbidden, 497: http.StatusForbidden, 516: http.StatusForbidden, // UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED

	48:  http.StatusNotImplemented,        // NOT_IMPLEMENTED
	76:  http.StatusServiceUnavailable,    // CANNOT_OPEN_FILE
	159: http.StatusRequestTimeout,        // TIMEOUT_EXCEEDED
	209: http.StatusServiceUnavailable,    // SOCKET_TIMEOUT
	229: http.StatusRequestEntityTooLarge, // QUERY_IS_TOO_LARGE
	439: http.StatusServiceUnavailable,    // CANNOT_SCHEDULE_TASK
}

// status is the HTTP status that goes with the exception.
func (e *exception) status() int {
	if status, known := httpStatus[e.code]; known {
		return status
	}
	return http.StatusInternalServerError
}
