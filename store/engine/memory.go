package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// residentSlack is what the reader may hold beyond its limit before it is killed,
// in bytes: what ClickHouse does not count, and answers on their way.
const residentSlack = 192 << 20

// readerMemory returns the limit of the reader's memory, in bytes, given that of
// the writer.
func readerMemory(maxMemory int64) int64 { return maxMemory / 2 }

// halfOfMemory is the default memory limit: half of what the machine, or the
// process's control group, has.
func halfOfMemory() int64 {
	total := int64(4 << 30)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 { // MemTotal: n kB
			if kB, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				total = kB << 10
			}
		}
	}
	return min(total, cgroupMemory()) / 2
}

// cgroupMemory is the lowest memory limit of the process's control group and
// those around it, version 2 (cgroups(7)) or 1.
func cgroupMemory() int64 {
	lowest := int64(1) << 62
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return lowest
	}
	for line := range strings.Lines(string(text)) { // hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for path := filepath.Join("/", parts[2]); ; path = filepath.Dir(path) {
			if text, err := os.ReadFile(filepath.Join(root, path, file)); err == nil {
				if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
					lowest = min(lowest, limit)
				}
			}
			if path == "/" {
				break
			}
		}
	}
	return lowest
}
