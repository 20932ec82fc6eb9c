package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"
)

// memStats is what Go says of Caddy's memory.
type memStats struct {
	// What was allocated since the start, in bytes and in pieces: figures that
	// hardly change from run to run, whatever else the machine does.
	TotalAlloc, Mallocs uint64
	// What is in use, garbage that was not yet collected included.
	HeapAlloc uint64
}

func (c *caddyServer) memory(ctx context.Context) (memStats, error) {
	var vars struct {
		MemStats memStats `json:"memstats"`
	}
	body, err := get(ctx, "http://"+c.admin+"/debug/vars", "")
	if err == nil {
		err = json.Unmarshal(body, &vars)
	}
	return vars.MemStats, err
}

// resident is how much memory Caddy holds, in bytes. Where the system has no
// /proc, ok is false.
func (c *caddyServer) resident() (bytes uint64, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(c.process.Process.Pid) + "/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err == nil
}

// cpu is the CPU time that Caddy has taken so far, in user and kernel mode.
// Where the system has no /proc, ok is false.
func (c *caddyServer) cpu() (taken time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(c.process.Process.Pid) + "/stat")
	if err != nil {
		return 0, false
	}
	return parseStat(string(text))
}

// parseStat reads utime and stime, the 14th and 15th field of proc_pid_stat(5).
// The second field is the program's name and may hold anything.
func parseStat(text string) (time.Duration, bool) {
	_, rest, ok := cutLast(text, ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, false
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	// The unit is USER_HZ, which is 100 on every architecture Go runs on.
	return time.Duration(user+system) * (time.Second / 100), err == nil && err2 == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
