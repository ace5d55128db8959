package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ is 100 on all
// architectures that Go runs on (proc(5)).
const tick = 10 * time.Millisecond

// usage is what process trees have used since they began.
type usage struct {
	cpu     time.Duration // user and system, ended children included
	written int64         // bytes that were sent to the block layer
	pss     int64         // bytes; memory that is shared counts by shares
	rss     int64         // bytes
	procs   int
}

func (u usage) minus(v usage) usage {
	return usage{cpu: u.cpu - v.cpu, written: u.written - v.written, pss: u.pss, rss: u.rss, procs: u.procs}
}

// treeUsage adds up the trees below the processes roots.
func treeUsage(roots []int) (usage, error) {
	children, err := childrenOf()
	if err != nil {
		return usage{}, err
	}
	var total usage
	for queue := append([]int(nil), roots...); len(queue) > 0; queue = queue[1:] {
		if err := total.add(queue[0]); err != nil {
			return usage{}, fmt.Errorf("look at process %d: %w", queue[0], err)
		}
		queue = append(queue, children[queue[0]]...)
	}
	return total, nil
}

func childrenOf() (map[int][]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]int)
	for _, name := range stats {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if fields := statFields(raw); err == nil && len(fields) > 1 {
			parent := number(fields[1])
			children[int(parent)] = append(children[int(parent)], pid)
		}
	}
	return children, nil
}

// statFields returns the fields of /proc/PID/stat behind the name, which may
// hold spaces and brackets: the first is the state, field 3 of proc(5).
func statFields(raw []byte) []string {
	return strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
}

func (u *usage) add(pid int) error {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return err
	}
	const utime, cstime = 14 - 3, 17 - 3
	fields := statFields(stat)
	if len(fields) <= cstime {
		return fmt.Errorf("%s/stat has %d fields", dir, len(fields))
	}
	for _, field := range fields[utime : cstime+1] {
		u.cpu += time.Duration(number(field)) * tick
	}
	memory, err := readTable(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return err
	}
	io, err := readTable(filepath.Join(dir, "io"))
	if err != nil {
		return err
	}
	u.pss += memory["Pss"] << 10
	u.rss += memory["Rss"] << 10
	u.written += io["write_bytes"]
	u.procs++
	return nil
}

// readTable reads lines of a word, a colon and a number.
func readTable(name string) (map[string]int64, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	table := make(map[string]int64)
	for in := bufio.NewScanner(bytes.NewReader(raw)); in.Scan(); {
		if word, rest, ok := strings.Cut(in.Text(), ":"); ok && rest != "" {
			if fields := strings.Fields(rest); len(fields) > 0 {
				table[word] = number(fields[0])
			}
		}
	}
	return table, nil
}

// number reads a number; what is none is 0.
func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// load returns the load average of the last minute, or a question mark.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}

// machine describes the machine without naming it.
func machine() string {
	model := "unknown processor"
	cores := 0
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for in := bufio.NewScanner(bytes.NewReader(raw)); in.Scan(); {
			word, rest, _ := strings.Cut(in.Text(), ":")
			switch strings.TrimSpace(word) {
			case "model name":
				model = strings.TrimSpace(rest)
			case "processor":
				cores++
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	memory, _ := readTable("/proc/meminfo")
	return fmt.Sprintf("%d x %s, %.0f GB, Linux %s", cores, model, float64(memory["MemTotal"])/1e6, strings.TrimSpace(string(kernel)))
}
