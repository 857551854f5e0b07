package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nfstats/nfstats/configs"
)

const systemFile = "/etc/nfstats/nfstats.yaml"

// loadConfig returns the validated configuration and the file it came from,
// "" for none.
func loadConfig(file string) (*configs.Config, string, error) {
	if file == "" {
		file = os.Getenv(configs.EnvFile)
	}
	if file == "" {
		switch _, err := os.Stat(systemFile); {
		case err == nil:
			file = systemFile
		case !errors.Is(err, fs.ErrNotExist):
			return nil, "", fmt.Errorf("read configuration: %w", err)
		}
	}
	cfg, err := configs.Load(file, os.Environ())
	if err != nil {
		return nil, file, err
	}
	return cfg, file, cfg.Validate()
}
