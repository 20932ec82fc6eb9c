//go:build unix

package child

import (
	"os/exec"
	"syscall"
)

// As has cmd run as another user, which only root may do.
func As(cmd *exec.Cmd, uid, gid uint32) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
}
