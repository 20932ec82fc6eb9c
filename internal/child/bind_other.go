//go:build !linux

package child

import "os/exec"

// bind does nothing: the system has no such thing, so that a parent which is
// killed leaves its children behind.
func bind(*exec.Cmd) {}
