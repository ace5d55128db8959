// Package media keeps FFmpeg out of the process that holds keys, files and
// sockets. It owns the worker processes that decode what cameras send: how they
// are started, fenced, spoken to, given up and replaced.
//
// A worker is the same program, started as a child over a socket pair. Coded
// frames go in; small grey pictures, JPEGs, AAC, Opus and H.264 come out. [Serve]
// is what runs in the child, with the codecs that cmd/lares hands in; [Worker] is
// what the rest of Lares holds. A worker has no state that is worth anything: it
// is killed when it answers nonsense, hangs or grows, and the next call starts
// another one. Whoever goes on killing it (the pictures of a stream, or its sound)
// waits alone, in pauses that double from a second to five minutes.
//
// # The fence
//
// Before it reads the first byte, a worker gives up its rights, in this order:
//   - nice 5, because a recorder that comes late loses footage and a detector
//     that comes late is only late; first in line when memory runs out
//   - no new privileges, no capabilities
//   - Landlock, where the kernel has it: no file may be opened but the program
//     itself and its libraries, no TCP, no signals to others. A Landlock domain
//     holds for one thread and what that thread starts, so the worker sets it
//     on one thread and executes itself again from there
//   - resource limits: no file may be written, no core dump, few descriptors,
//     bounded memory
//   - seccomp on all threads: a list of what Go and FFmpeg need to compute;
//     opening, connecting, executing and all else fails
//
// What is in force is in the first message of the worker and in [Status].
//
// # The protocol
//
// Messages are an 8-byte head (length of the body, kind, three zero bytes) and a
// body of fixed-width little-endian fields, at most 16 MiB. Each request is
// answered by any number of pictures, JPEGs, units of sound or frames and one
// 'done'. Both ends believe nothing: every length and size is checked against what
// was asked for, and a message that is not understood ends the worker.
//
// # Concurrency
//
// All methods of [Worker] may be called from any goroutine; calls wait for each
// other. Callbacks run in the goroutine of the caller, and what they are handed
// is valid until they return. [Serve] is single-threaded as far as the Go
// runtime allows.
package media
