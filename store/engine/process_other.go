//go:build !linux

package engine

import "context"

func supported() error { return errUnsupported }

func (p *process) runOnce(context.Context) error { return errUnsupported }
