package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const rejectedDir = "rejected"

// Files in the folder of a rejected block.
const (
	rejectedDatagrams = "datagrams" + segmentSuffix
	rejectedState     = "state"
	rejectedInfo      = "block.json"
)

// Rejected describes a block, or a part of one, that the store refused for its
// content and that was set aside.
type Rejected struct {
	Token     string    `json:"token"` // under which it was to be inserted
	Cause     string    `json:"cause"`
	SetAside  time.Time `json:"set_aside"`
	Datagrams int       `json:"datagrams"`
	Bytes     int64     `json:"bytes"` // of its folder's files
	Range     Range     `json:"range"` // of the block it comes from
}

// tokenPattern is what a token may look like, being the name of a folder.
var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// SetAside copies the datagrams of a block that keep accepts (nil: all; it is
// asked once for each, in their order) to a folder of their own, together with
// the cause and the state that decoding them starts from, so that they can be
// looked at and replayed. It may be repeated. When RejectedSize is reached the
// oldest rejected blocks go. The caller then goes on as if the block were stored.
func (j *Journal) SetAside(r Range, token string, state []byte, keep func(*Datagram) bool, cause error) error {
	if !tokenPattern.MatchString(token) {
		return fmt.Errorf("set a block aside: %q cannot be the name of a folder", token)
	}
	content, datagrams, err := j.copyOf(r, keep)
	if err != nil {
		return fmt.Errorf("set block %s aside: %w", token, err)
	}
	info := Rejected{Token: token, Cause: cause.Error(), SetAside: time.Now().UTC(), Datagrams: datagrams,
		Bytes: int64(len(content) + len(state)), Range: r}
	if err := j.makeRoomForRejected(info.Bytes); err != nil {
		return fmt.Errorf("set block %s aside: %w", token, err)
	}
	if err := writeRejected(j.config.Dir, info, content, state); err != nil {
		return fmt.Errorf("set block %s aside: %w", token, err)
	}
	return nil
}

// copyOf returns a segment file of one block with the chosen datagrams.
func (j *Journal) copyOf(r Range, keep func(*Datagram) bool) (content []byte, datagrams int, err error) {
	b, err := j.ReadRange(r)
	if err != nil {
		return nil, 0, err
	}
	defer b.Release()
	h := newHeader(Position{})
	content = make([]byte, headerSize, headerSize+b.Size())
	h.put(content)
	var d Datagram
	for c := b.Cursor(); c.Next(&d); {
		if keep == nil || keep(&d) {
			offset := uint64(len(content) - headerSize)
			content = h.appendRecord(content, offset, uint32(datagrams), uint32(offset), &d)
			datagrams++
		}
	}
	return content, datagrams, nil
}

func writeRejected(dir string, info Rejected, content, state []byte) error {
	folder := filepath.Join(dir, rejectedDir, info.Token)
	temporary := folder + temporarySuffix
	description, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	os.RemoveAll(temporary)
	if err := os.MkdirAll(temporary, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	for name, bytes := range map[string][]byte{rejectedDatagrams: content, rejectedState: state, rejectedInfo: description} {
		if err := writeFile(filepath.Join(temporary, name), bytes); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.Rename(temporary, folder); err != nil {
		return err
	}
	return syncDir(filepath.Dir(folder))
}

// makeRoomForRejected drops the oldest rejected blocks until size more bytes fit
// into RejectedSize, or none is left.
func (j *Journal) makeRoomForRejected(size int64) error {
	list, err := ListRejected(j.config.Dir)
	if err != nil {
		return err
	}
	for _, r := range list {
		size += r.Bytes
	}
	for len(list) > 0 && size > j.config.RejectedSize {
		oldest := list[0]
		if err := DropRejected(j.config.Dir, oldest.Token); err != nil {
			return err
		}
		j.mu.Lock()
		j.lost[RejectedOverflow].add(Loss{uint64(oldest.Datagrams), uint64(oldest.Bytes)})
		j.mu.Unlock()
		size -= oldest.Bytes
		list = list[1:]
	}
	return nil
}

// ListRejected returns the rejected blocks of the journal in a folder, oldest
// first. It may run beside the daemon.
func ListRejected(dir string) ([]Rejected, error) {
	entries, err := os.ReadDir(filepath.Join(dir, rejectedDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list rejected blocks: %w", err)
	}
	var list []Rejected
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), temporarySuffix) {
			continue
		}
		info, err := readRejectedInfo(dir, e.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // dropped since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b Rejected) int { return a.SetAside.Compare(b.SetAside) })
	return list, nil
}

func readRejectedInfo(dir, token string) (info Rejected, err error) {
	if !tokenPattern.MatchString(token) {
		return info, fmt.Errorf("%q is not a rejected block", token)
	}
	content, err := os.ReadFile(filepath.Join(dir, rejectedDir, token, rejectedInfo))
	if err == nil {
		err = json.Unmarshal(content, &info)
	}
	if err != nil {
		return info, fmt.Errorf("read rejected block %s: %w", token, err)
	}
	info.Token = token
	return info, nil
}

// IsRejected reports whether a block was set aside under this token, perhaps
// before a crash that makes it come again.
func (j *Journal) IsRejected(token string) bool {
	_, err := os.Stat(filepath.Join(j.config.Dir, rejectedDir, token, rejectedInfo))
	return err == nil
}

// ReadRejected returns a rejected block, its datagrams, and the state that
// decoding them starts from. It may run beside the daemon.
func ReadRejected(dir, token string) (info Rejected, b *Block, state []byte, err error) {
	if info, err = readRejectedInfo(dir, token); err != nil {
		return info, nil, nil, err
	}
	folder := filepath.Join(dir, rejectedDir, token)
	if state, err = os.ReadFile(filepath.Join(folder, rejectedState)); err != nil {
		return info, nil, nil, fmt.Errorf("read rejected block %s: %w", token, err)
	}
	file, err := OpenSegment(filepath.Join(folder, rejectedDatagrams))
	if err != nil {
		return info, nil, nil, fmt.Errorf("read rejected block %s: %w", token, err)
	}
	defer file.Close()
	if b, err = file.Next(); err != nil {
		return info, nil, nil, fmt.Errorf("read rejected block %s: %w", token, err)
	}
	return info, b, state, nil
}

// DropRejected removes a rejected block. It may run beside the daemon.
func DropRejected(dir, token string) error {
	if !tokenPattern.MatchString(token) {
		return fmt.Errorf("%q is not a rejected block", token)
	}
	folder := filepath.Join(dir, rejectedDir, token)
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("drop rejected block %s: %w", token, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("drop rejected block %s: %w", token, err)
	}
	return nil
}
