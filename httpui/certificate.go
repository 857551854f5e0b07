package httpui

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// certificateInterval is how often, at most, the files of the certificate are looked at.
const certificateInterval = time.Second

// certificate is read from files, again when they change. While new files do
// not fit together, the old certificate serves.
type certificate struct {
	file, key string
	logger    *zap.Logger

	mu      sync.Mutex
	looked  time.Time
	version string // of the files
	current *tls.Certificate
}

// load reads the files.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.file, c.key)
	if err != nil {
		return fmt.Errorf("read the TLS certificate %s with key %s (http.tls): %w", c.file, c.key, err)
	}
	c.current, c.version = &pair, c.versionNow()
	return nil
}

// versionNow tells one state of the files from another.
func (c *certificate) versionNow() (version string) {
	for _, name := range []string{c.file, c.key} {
		if info, err := os.Stat(name); err == nil {
			version += fmt.Sprintf("%d %d ", info.ModTime().UnixNano(), info.Size())
		}
	}
	return version
}

// get is tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certificateInterval {
		return c.current, nil
	}
	c.looked = time.Now()
	if version := c.versionNow(); version != c.version {
		if err := c.load(); err != nil {
			c.version = version // tell once
			c.logger.Warn("the old TLS certificate stays in use", zap.Error(err))
		} else {
			c.logger.Info("a new TLS certificate is in use", zap.String("file", c.file))
		}
	}
	return c.current, nil
}
