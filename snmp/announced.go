package snmp

import (
	"context"
	"maps"
	"net/netip"
	"reflect"
	"strconv"

	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// forgetAnnounced forgets what was kept of exporters that the decoders do not have
// any more: forged addresses come and go.
func (k *Keeper) forgetAnnounced(names []netflow.ExporterNames) {
	here := make(map[netip.AddrPort]bool, len(names))
	for _, n := range names {
		here[netip.AddrPortFrom(n.Address, n.Port)] = true
	}
	maps.DeleteFunc(k.announced, func(of netip.AddrPort, _ netflow.ExporterNames) bool { return !here[of] })
}

// keepAnnounced keeps the routing tables, applications and samplers that an
// exporter names in options data, whenever one of them changes.
func (k *Keeper) keepAnnounced(ctx context.Context, n netflow.ExporterNames) error {
	of := netip.AddrPortFrom(n.Address, n.Port)
	if last, kept := k.announced[of]; kept && reflect.DeepEqual(last, n) {
		return nil
	}
	var all []store.AnnouncedName
	for _, v := range n.VRFs {
		all = append(all, store.AnnouncedName{Kind: "vrf", Domain: v.Domain, ID: strconv.FormatUint(uint64(v.ID), 10), Name: v.Name})
	}
	for _, a := range n.Applications {
		all = append(all, store.AnnouncedName{Kind: "application", Domain: a.Domain, ID: a.ID, Name: a.Name, Description: a.Description})
	}
	for _, s := range n.Samplers {
		all = append(all, store.AnnouncedName{Kind: "sampler", Domain: s.Domain, ID: strconv.FormatUint(s.ID, 10), Name: s.Name, SamplingRate: s.Rate})
	}
	if err := k.store.SaveAnnouncedNames(ctx, n.Address, all); err != nil {
		return err
	}
	k.announced[of] = n
	return nil
}
