package pgserver

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// children lists the processes of a server besides the first.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil // it has ended, or the kernel does not tell
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(field); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// alive tells whether a process still holds what it had open: one that nobody has
// waited for does not.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state comes after the name, which may hold anything.
	end := bytes.LastIndexByte(text, ')')
	return end < 0 || end+2 >= len(text) || text[end+2] != 'Z' && text[end+2] != 'X'
}
