package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/nfstats/nfstats/configs"
)

// newLogger returns the logger, its level, which can be changed, and close, which
// ends the reopening on SIGHUP.
func newLogger(cfg configs.Log) (logger *zap.Logger, level zap.AtomicLevel, close func(), err error) {
	if level, err = zap.ParseAtomicLevel(cfg.Level); err != nil {
		return nil, level, nil, fmt.Errorf("key log.level: %w", err)
	}
	encoderConfig := zap.NewProductionEncoderConfig()
	encoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	encoder := zapcore.NewJSONEncoder(encoderConfig)
	if cfg.Format == "console" {
		encoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(encoderConfig)
	}
	close = func() {}
	var sink zapcore.WriteSyncer
	switch cfg.Output {
	case "stderr":
		sink = zapcore.Lock(os.Stderr)
	case "stdout":
		sink = zapcore.Lock(os.Stdout)
	default:
		file, err := openLogFile(cfg.Output)
		if err != nil {
			return nil, level, nil, err
		}
		sink, close = file, file.reopenOnHangup()
	}
	return zap.New(zapcore.NewCore(encoder, sink, level)), level, close, nil
}

// logFile is a log that can be moved away by logrotate and reopened.
type logFile struct {
	path string
	mu   sync.Mutex
	file *os.File
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.reopen()
}

func (l *logFile) reopen() error {
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("key log.output: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.file = file
	return nil
}

// Write appends one log line.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// Sync flushes the file to disk.
func (l *logFile) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Sync()
}

// reopenOnHangup reopens the file at each SIGHUP until the returned function is
// called.
func (l *logFile) reopenOnHangup() (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for range hangups {
			if err := l.reopen(); err != nil {
				fmt.Fprintln(os.Stderr, "nfstats: go on with the old log file:", err)
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-finished
	}
}
