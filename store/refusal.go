package store

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// refusals are ClickHouse's error codes (ErrorCodes.cpp) that speak of the rows
// of an insert: the same rows are refused again, whenever they come. All other
// codes may go away without the rows changing (a read-only or missing table, a
// full disk, memory, rights, timeouts, too many parts), or an operator may make
// them go away. TYPE_MISMATCH (53) and CANNOT_CONVERT_TYPE (70) are of those: they
// speak of the columns of a table that somebody altered, and all blocks would be
// refused.
var refusals = map[int32]bool{
	6: true, 26: true, 27: true, 38: true, 41: true, 72: true, // CANNOT_PARSE_TEXT, _QUOTED_STRING, _INPUT_ASSERTION_FAILED, _DATE, _DATETIME, _NUMBER
	9: true, 190: true, // SIZES_OF_COLUMNS_DOESNT_MATCH, SIZES_OF_ARRAYS_DONT_MATCH
	117: true,                       // INCORRECT_DATA
	69:  true, 321: true, 407: true, // ARGUMENT_OUT_OF_BOUND, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, DECIMAL_OVERFLOW
	128: true, 131: true, // TOO_LARGE_ARRAY_SIZE, TOO_LARGE_STRING_SIZE
	153: true, 248: true, 349: true, // ILLEGAL_DIVISION, INVALID_PARTITION_VALUE, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
	376: true, 441: true, 467: true, 675: true, 676: true, // CANNOT_PARSE_UUID, _DOMAIN_VALUE_FROM_STRING, _BOOL, _IPV4, _IPV6
	395: true, 469: true, 691: true, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO, VIOLATED_CONSTRAINT, UNKNOWN_ELEMENT_OF_ENUM
}

// tooManyParts is ClickHouse's error code TOO_MANY_PARTS. It stands both for a
// table whose merges lag, which passes, and for an insert into too many
// partitions, which does not.
const tooManyParts = 252

// Refused reports whether an error of an insert is ClickHouse's refusal of the
// rows themselves, so that trying again is of no use.
func Refused(err error) bool {
	exception := (*clickhouse.Exception)(nil)
	if !errors.As(err, &exception) {
		return false
	}
	return refusals[exception.Code] ||
		exception.Code == tooManyParts && strings.Contains(exception.Message, "partitions for single INSERT block")
}

// Reason returns what an error of ClickHouse, or of the way to it, says to an
// operator: the parameters of the request, which are long and of no use, are left
// out.
func Reason(err error) string {
	request := (*url.Error)(nil)
	if !errors.As(err, &request) {
		return err.Error()
	}
	host := request.URL
	if at, parseErr := url.Parse(request.URL); parseErr == nil {
		host = at.Host
	}
	return fmt.Sprintf("ClickHouse at %s: %v", host, request.Err)
}
