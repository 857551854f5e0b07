package httpui

import (
	"net/url"
	"strconv"
	"time"
)

// timeRange reads from and to, Unix seconds.
func timeRange(parameters url.Values, now time.Time) (from, to time.Time, err error) {
	seconds := func(name string, otherwise int64) (time.Time, error) {
		n, err := number(parameters, name, otherwise, 0, 1<<33)
		return time.Unix(n, 0).UTC(), err
	}
	if to, err = seconds("to", now.Unix()); err != nil {
		return from, to, err
	}
	if from, err = seconds("from", to.Unix()-3600); err != nil {
		return from, to, err
	}
	if !from.Before(to) {
		return from, to, badRequest("from must be before to")
	}
	return from, to, nil
}

func number(parameters url.Values, name string, otherwise, low, high int64) (int64, error) {
	text := parameters.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, badRequest("%s=%s: want a whole number from %d to %d", name, text, low, high)
	}
	return n, nil
}
