package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// privateMask is the umask of the program and of the engines that it starts: what
// they write is for their user alone, whatever the mask of who starts them.
const privateMask = 0o077

// Files in data_dir.
const (
	snmpFile         = "snmp-devices.json"
	sessionsFile     = "http-sessions.json"
	knownDevicesFile = "http-devices.json"
	ratesFile        = "sampling-rates.json"
)

// privateEntries are what the daemon keeps in data_dir.
var privateEntries = []string{"clickhouse", "reader", "journal", "run", "nfstats.lock", snmpFile, sessionsFile, knownDevicesFile, ratesFile}

// closeToOthers takes the rights of group and others from what lies in data_dir,
// which has them after it was copied without its modes. data_dir itself may hold
// other things and stays as it is.
func closeToOthers(dataDir string, logger *zap.Logger) error {
	for _, name := range privateEntries {
		path := filepath.Join(dataDir, name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("close the data folder to other users: %w", err)
		}
		mode := info.Mode().Perm()
		if mode&privateMask == 0 {
			continue
		}
		if err := os.Chmod(path, mode&^privateMask); err != nil {
			return fmt.Errorf("close the data folder to other users: %w", err)
		}
		logger.Warn("other users of this machine had rights to this; now they have none",
			zap.String("path", path), zap.Stringer("mode", info.Mode()))
	}
	if info, err := os.Stat(dataDir); err == nil && info.Mode().Perm()&0o022 != 0 {
		logger.Warn("other users of this machine may replace what is in data_dir: take their right to write (chmod go-w)",
			zap.String("data_dir", dataDir), zap.Stringer("mode", info.Mode()))
	}
	return nil
}
