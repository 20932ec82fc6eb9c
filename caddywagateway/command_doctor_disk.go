//go:build linux || darwin

package caddywagateway

import "syscall"

// freeSpace is how many bytes may still be written to a folder's file system.
func freeSpace(folder string) (uint64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}
