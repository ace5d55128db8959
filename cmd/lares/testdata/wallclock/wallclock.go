// Package main has this file in the program that the test of clock steps builds
// for itself, and in no other: it sets the wall clock of one process.
package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	_ "unsafe" // for linkname
)

// wallShift is how many seconds time.Now is off; the test adds it to package time.
//
//go:linkname wallShift time.wallShift
var wallShift atomic.Int64

// The shift is the number in a file, read before anything else and from then on
// again and again.
func init() {
	name := os.Getenv("LARES_TEST_WALL_SHIFT")
	read := func() {
		raw, err := os.ReadFile(name)
		if err != nil {
			return
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64); err == nil {
			wallShift.Store(n)
		}
	}
	read()
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			read()
		}
	}()
}
