//go:build !linux

package engine

import "context"

func supported() error { return errUnsupported }

func (s *Supervisor) runOnce(context.Context) error { return errUnsupported }
