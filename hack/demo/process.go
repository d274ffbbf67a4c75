package main

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from a process, so that everything is
// ended in order.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
