package httpui

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// countedAttempts returns attempts of one user, ada, and what begins one.
func countedAttempts() (a *attempts, now *time.Time, begin func(address, name string) time.Duration) {
	a, now = newAttempts(map[string]User{"ada": {}}), new(time.Unix(1_800_000_000, 0))
	a.now = func() time.Time { return *now }
	return a, now, func(address, name string) time.Duration {
		return a.begin(limitsOf(client{address: netip.MustParseAddr(address)}, name, ""))
	}
}

func TestAttemptsAreCountedByAddressAndName(t *testing.T) {
	_, now, begin := countedAttempts()
	for i := range attemptsPerName {
		if wait := begin(fmt.Sprintf("192.0.2.%d", i), "ada"); wait != 0 {
			t.Fatalf("attempt %d has to wait %s", i, wait)
		}
	}
	if begin("192.0.2.200", "ada") != attemptsPeriod {
		t.Error("a name may be guessed without end from many addresses")
	}
	for i := range attemptsPerAddress {
		begin(fmt.Sprintf("2001:db8::%x", i+1), "x")
	}
	if begin("2001:db8::ffff", "y") == 0 {
		t.Error("addresses of one /64 are told apart")
	}
	for i := range attemptsPerSite {
		begin(fmt.Sprintf("2001:db8:0:%x::1", i+1), fmt.Sprint(i))
	}
	if begin("2001:db8:0:ffff::1", "y") == 0 {
		t.Error("networks of one /48 may fail without end")
	}
	if begin("2001:db8:1::1", "y") != 0 {
		t.Error("another site has to wait, too")
	}
	*now = now.Add(attemptsPeriod)
	if begin("192.0.2.200", "ada") != 0 {
		t.Error("the wait does not end")
	}
}

// A full table refuses nobody new, and forgets neither the counts of users nor
// of those who fail often for strangers that fail once.
func TestAFullTableForgetsWhatFailedLeast(t *testing.T) {
	a, now, begin := countedAttempts()
	for range attemptsPerAddress {
		begin("198.51.100.1", "guess")
	}
	for i := range attemptsPerName {
		begin(fmt.Sprintf("192.0.2.%d", i), "ada")
	}
	*now = now.Add(time.Minute)
	for i := range maxAttempts + 500 {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if wait := begin(address.String(), "guess of many"+fmt.Sprint(i%7)); i < 7*attemptsPerName && wait != 0 {
			t.Fatalf("stranger %d has to wait %s", i, wait)
		}
		a.begin(addressLimits(address))
	}
	if n := len(a.table); n > maxAttempts {
		t.Errorf("%d are remembered", n)
	}
	if begin("203.0.113.1", "somebody new") != 0 {
		t.Error("somebody new is refused because the table is full")
	}
	if begin("198.51.100.1", "other") == 0 {
		t.Error("many addresses make the count of one forgotten")
	}
	if begin("203.0.113.2", "ada") == 0 {
		t.Error("many addresses make the count of a user's name forgotten")
	}
}

func TestASuccessTakesOnlyItselfBack(t *testing.T) {
	a, _, begin := countedAttempts()
	limits := limitsOf(client{address: netip.MustParseAddr("192.0.2.1")}, "ada", "")
	for range attemptsPerAddress - 1 {
		begin("192.0.2.1", "ada")
	}
	for range 5 {
		if wait := a.begin(limits); wait != 0 {
			t.Fatalf("the right password has to wait %s", wait)
		}
		a.succeeded(limits)
	}
	if begin("192.0.2.1", "ada") != 0 || begin("192.0.2.1", "ada") == 0 {
		t.Error("successes change what failures count")
	}
}
