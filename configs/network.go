package configs

import (
	"fmt"
	"net/netip"
)

// Network is a prefix of addresses, written 192.0.2.0/24 or, for one address,
// 192.0.2.1.
type Network struct{ netip.Prefix }

// UnmarshalText reads a prefix or an address.
func (n *Network) UnmarshalText(text []byte) error {
	if address, err := netip.ParseAddr(string(text)); err == nil {
		n.Prefix = netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not an address or a network such as 192.0.2.0/24", text)
	}
	n.Prefix = prefix.Masked()
	return nil
}

// Prefixes returns the networks as prefixes.
func Prefixes(networks []Network) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		prefixes[i] = n.Prefix
	}
	return prefixes
}
