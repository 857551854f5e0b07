package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoLandlock reports a kernel without Landlock (before 5.13, or off).
var errNoLandlock = errors.New("the kernel has no Landlock")

// Rights to files and folders, by the version of Landlock's interface that
// brought them (landlock(7)).
const (
	accessRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	accessFile  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	accessV1    = 1<<13 - 1
	accessV2    = unix.LANDLOCK_ACCESS_FS_REFER
	accessV3    = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	accessV5    = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	networkV4   = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	scopedV6    = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	createFlagV = unix.LANDLOCK_CREATE_RULESET_VERSION
)

type rulesetAttr struct {
	fs, network, scoped uint64
}

// systemPaths are what a program linked to the C library, and ClickHouse, read:
// the loader and libraries, time zones, and the machine's size. Nothing under
// /home, /root, /etc (but the loader's cache) or /proc of processes.
var systemPaths = []string{
	"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone",
	"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random",
	"/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/filesystems", "/proc/sys/kernel",
	"/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm",
}

// confine locks the calling thread into a Landlock domain: its own folder
// read-write, the library and the system paths read-only, and so, for the reader,
// its configuration and the tables; no new TCP connections or listeners. The
// domain holds for what the thread executes next.
func confine(s spec) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, createFlagV)
	if errno != 0 {
		return errNoLandlock
	}
	attr := rulesetAttr{fs: accessV1}
	size := uintptr(8)
	if version >= 2 {
		attr.fs |= accessV2
	}
	if version >= 3 {
		attr.fs |= accessV3
	}
	if version >= 4 {
		attr.network, size = networkV4, 16
	}
	if version >= 5 {
		attr.fs |= accessV5
	}
	if version >= 6 {
		attr.scoped, size = scopedV6, 24
	}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("create the Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(ruleset))

	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	if err := allow(int(ruleset), s.Path, attr.fs); err != nil {
		return err
	}
	if s.Role == reader {
		for _, path := range []string{filepath.Join(s.Data, "store"), filepath.Join(s.Data, "metadata"), s.Config, s.Users} {
			if err := allow(int(ruleset), path, accessRead); err != nil {
				return err
			}
		}
	}
	for _, path := range append([]string{s.Library, program}, systemPaths...) {
		access := uint64(accessRead | unix.LANDLOCK_ACCESS_FS_EXECUTE)
		if path == "/dev/null" {
			access |= unix.LANDLOCK_ACCESS_FS_WRITE_FILE
		}
		if err := allow(int(ruleset), path, access&attr.fs); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return fmt.Errorf("enter the Landlock domain: %w", errno)
	}
	return nil
}

func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s for Landlock: %w", path, err)
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return fmt.Errorf("stat %s for Landlock: %w", path, err)
	}
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= accessFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("allow %s in Landlock: %w", path, errno)
	}
	return nil
}
