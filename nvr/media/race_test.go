//go:build race

package media

// raced: the race detector maps terabytes, so memory cannot be limited.
const raced = true
