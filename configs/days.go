package configs

import (
	"fmt"
	"strconv"
	"strings"
)

// Days is how long rows are kept, written as a number of days or "forever".
// 0 is forever.
type Days int

// MaxDays bounds a number of days: a hundred years.
const MaxDays = 36500

// forever is how 0 days are spelled.
const forever = "forever"

// UnmarshalText reads a number of days from 1 to MaxDays, 0 or "forever".
func (d *Days) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	if word == forever {
		*d = 0
		return nil
	}
	n, err := strconv.Atoi(word)
	if err != nil {
		return fmt.Errorf("%q is not %s", text, daysAccepted)
	}
	if n < 0 || n > MaxDays {
		return fmt.Errorf("%d is not %s", n, daysAccepted)
	}
	*d = Days(n)
	return nil
}

var daysAccepted = fmt.Sprintf("a whole number of days from 1 to %d, nor 0 or forever, which keep for good", MaxDays)

// String returns the days as a configuration file has them.
func (d Days) String() string {
	if d == 0 {
		return forever
	}
	return strconv.Itoa(int(d))
}
