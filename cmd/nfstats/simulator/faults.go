package simulator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Faults are the ways in which a router's flows and counters can mislead. The
// zero value is a router that works.
type Faults struct {
	AnnouncedRate uint32        // it announces this sampling rate instead of the true one
	Unannounced   bool          // it does not tell its sampling rate
	Loss          float64       // share of its datagrams that the network loses
	RebootAfter   time.Duration // it reboots that long after Config.Start, and is down for RebootTime
	Renumber      bool          // its ifIndexes belong to other interfaces after the reboot
	ResetAfter    time.Duration // its counters are cleared, with a discontinuity, that long after Config.Start
	Counter32     bool          // its agent has no 64-bit counters
	RefreshDelay  time.Duration // its agent renews the counters only that often
	SilentInput   string        // name of an interface on which incoming packets are not sampled
	BothWays      bool          // it samples and exports packets at ingress and again at egress
}

// RebootTime is how long a rebooting router is down.
const RebootTime = time.Minute

// ParseFault reads "router:fault" or "router:fault=value" as the command line
// has it and adds it to faults. Router is a name or its part before the dot.
func ParseFault(text string, faults map[string]Faults) error {
	name, fault, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("fault %q: want router:fault or router:fault=value", text)
	}
	router, err := routerName(name)
	if err != nil {
		return fmt.Errorf("fault %q: %w", text, err)
	}
	f := faults[router]
	key, value, _ := strings.Cut(fault, "=")
	switch key {
	case "announced":
		var rate uint64
		rate, err = strconv.ParseUint(value, 10, 32)
		f.AnnouncedRate = uint32(rate)
	case "unannounced":
		f.Unannounced = true
	case "loss":
		if f.Loss, err = strconv.ParseFloat(value, 64); err == nil && !(f.Loss >= 0 && f.Loss <= 1) {
			err = fmt.Errorf("loss is a share from 0 to 1")
		}
	case "reboot":
		f.RebootAfter, err = time.ParseDuration(value)
	case "renumber":
		f.Renumber = true
	case "reset":
		f.ResetAfter, err = time.ParseDuration(value)
	case "counter32":
		f.Counter32 = true
	case "refresh":
		f.RefreshDelay, err = time.ParseDuration(value)
	case "silent":
		f.SilentInput = value
	case "bothways":
		f.BothWays = true
	default:
		err = fmt.Errorf("no such fault: want announced, unannounced, loss, reboot, renumber, reset, counter32, refresh, silent or bothways")
	}
	if err != nil {
		return fmt.Errorf("fault %q: %w", text, err)
	}
	faults[router] = f
	return nil
}

func routerName(name string) (string, error) {
	for _, r := range routers {
		if short, _, _ := strings.Cut(r.name, "."); name == r.name || name == short {
			return r.name, nil
		}
	}
	return "", fmt.Errorf("no router %s: want core1, core2 or edge1", name)
}
