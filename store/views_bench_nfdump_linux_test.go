package store

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// nfcapdFiles are the flows of a benchDay as nfcapd wrote them, LZ4 compressed, a
// file for each hour.
type nfcapdFiles struct{ dir, lastHour string }

// nfcapdFiles sends the day's flows to an nfcapd; nil where there is none.
func (d *benchDay) nfcapdFiles(b *testing.B) *nfcapdFiles {
	path, err := exec.LookPath("nfcapd")
	if err != nil {
		b.Log("nothing to compare with: nfcapd is not installed")
		return nil
	}
	f := &nfcapdFiles{dir: b.TempDir()}
	for at := d.from; at.Before(d.to); at = at.Add(time.Hour) {
		f.lastHour = filepath.Join(f.dir, at.Format("nfcapd.200601021504"))
		d.captureHour(b, path, at, f.lastHour)
	}
	if out, err := exec.Command("nfdump", "-I", "-R", f.dir).Output(); err != nil || !strings.Contains(string(out), fmt.Sprintf("Flows: %d\n", d.count(b, "flows"))) {
		b.Fatalf("the files do not have %d flows: %v\n%s", d.count(b, "flows"), err, out)
	}
	return f
}

// captureHour sends an hour's flows to an nfcapd of its own.
func (d *benchDay) captureHour(b *testing.B, path string, hour time.Time, file string) {
	dir := b.TempDir()
	probe, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := probe.LocalAddr().(*net.UDPAddr)
	probe.Close()
	cmd := exec.Command(path, "-w", dir, "-b", "127.0.0.1", "-p", fmt.Sprint(address.Port), "-B", fmt.Sprint(16<<20), "-t", "86400", "-y") // one file, whatever time it is
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for waiting(address.Port) < 0 {
		time.Sleep(10 * time.Millisecond)
	}
	conn, err := net.DialUDP("udp4", nil, address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	d.export(b, conn, address.Port, hour)
	for waiting(address.Port) > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	written, _ := filepath.Glob(filepath.Join(dir, "nfcapd.2*"))
	if len(written) != 1 {
		b.Fatalf("nfcapd wrote %v", written)
	}
	if err := os.Rename(written[0], file); err != nil {
		b.Fatal(err)
	}
}

// export sends the flows received in an hour as IPFIX, never more than nfcapd's
// socket holds.
func (d *benchDay) export(b *testing.B, conn *net.UDPConn, port int, hour time.Time) {
	rows, err := d.conn.Query(b.Context(), fmt.Sprintf(`SELECT toUnixTimestamp64Milli(time_flow_start), toUnixTimestamp64Milli(time_flow_end), src_addr, dst_addr, next_hop, src_net, dst_net,
    in_if, out_if, src_as, dst_as, bytes, packets, proto, src_port, dst_port, tcp_flags, ip_tos FROM flows
WHERE time_received >= toDateTime(%d, 'UTC') AND time_received < toDateTime(%d, 'UTC') SETTINGS max_block_size = 65536`, hour.Unix(), hour.Add(time.Hour).Unix()))
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	const perMessage = 14
	header := generate.Header{Version: generate.IPFIX, Export: hour}
	templates := map[bool]generate.Template{false: generate.IPFIXIPv4(256), true: generate.IPFIXIPv6(257)}
	pending := map[bool][][]byte{}
	sent := 0
	send := func(v6 bool) {
		m := generate.New(header)
		if sent%1000 == 0 {
			m.Templates(templates[false], templates[true])
		}
		m.Data(templates[v6].ID, pending[v6]...)
		if sent++; sent%64 == 0 {
			for waiting(port) > 4<<20 {
				time.Sleep(time.Millisecond)
			}
		}
		if _, err := conn.Write(m.Bytes()); err != nil {
			b.Fatal(err)
		}
		header.Sequence += uint32(len(pending[v6]))
		pending[v6] = pending[v6][:0]
	}
	for rows.Next() {
		var f generate.Flow
		var start, end int64
		var src, dst, hop net.IP
		if err := rows.Scan(&start, &end, &src, &dst, &hop, &f.SrcNet, &f.DstNet, &f.InIf, &f.OutIf, &f.SrcAS, &f.DstAS, &f.Bytes, &f.Packets, &f.Proto, &f.SrcPort, &f.DstPort, &f.TCPFlags, &f.Tos); err != nil {
			b.Fatal(err)
		}
		f.Start, f.End = time.UnixMilli(start), time.UnixMilli(end)
		f.Src, f.Dst, f.NextHop = address(src), address(dst), address(hop)
		v6 := f.Src.Is6()
		pending[v6] = append(pending[v6], templates[v6].Record(header, &f))
		if len(pending[v6]) == perMessage {
			send(v6)
		}
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	for v6, records := range pending {
		if len(records) > 0 {
			send(v6)
		}
	}
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// waiting returns how many octets wait in the socket on a UDP port of this
// machine; -1 where there is no socket.
func waiting(port int) int {
	text, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0
	}
	at := strings.Index(string(text), fmt.Sprintf(": 0100007F:%04X 00000000:0000 ", port))
	if at < 0 {
		return -1
	}
	var state, sending, received int
	if _, err := fmt.Sscanf(string(text)[at+len(": 0100007F:0000 00000000:0000 "):], "%X %X:%X", &state, &sending, &received); err != nil {
		return 0
	}
	return received
}

// ask returns how long nfdump takes for a question about the last hour or the day.
func (f *nfcapdFiles) ask(b *testing.B, span time.Duration, arguments []string) time.Duration {
	source := []string{"-R", f.dir}
	if span == time.Hour {
		source = []string{"-r", f.lastHour}
	}
	ctx, stop := context.WithTimeout(b.Context(), 10*time.Minute)
	defer stop()
	start := time.Now()
	if out, err := exec.CommandContext(ctx, "nfdump", append(append(source, "-q"), arguments...)...).CombinedOutput(); err != nil {
		b.Fatalf("nfdump %v: %v\n%s", arguments, err, out)
	}
	return time.Since(start)
}
