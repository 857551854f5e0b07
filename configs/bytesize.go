package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes, written as "512MiB", "2GB" or plain bytes.
type ByteSize int64

var byteUnits = []struct {
	suffix string
	size   int64
}{ // longer suffixes before their own endings
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalText reads a size with or without a unit.
func (s *ByteSize) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is not a size: write bytes, or a number with kB, MB, GB, TB, KiB, MiB, GiB or TiB", text)
	}
	*s = ByteSize(n * unit)
	return nil
}

// String returns the size in its largest whole binary unit.
func (s ByteSize) String() string {
	if s == 0 {
		return "0"
	}
	for _, u := range []struct {
		suffix string
		size   ByteSize
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
