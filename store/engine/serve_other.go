//go:build !linux || (!amd64 && !arm64)

package engine

import (
	"context"

	"go.uber.org/zap"
)

// Serve is the engine process, which exists on Linux on amd64 and arm64 only.
func Serve(context.Context, *zap.Logger) error { return errUnsupported }
