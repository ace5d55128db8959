// Package nvr is the vocabulary of Lares: the words that every other package
// shares, the window of the latest frames of a stream, and the event bus.
//
// It owns types and two in-memory structures, [Stream] and [Bus]. It does no
// I/O, logs nothing and starts no goroutine. Everything may import it; it
// imports the standard library only. All methods of Stream, Reader's owner
// aside, and of Bus may be called from any goroutine; a [Reader] belongs to one
// goroutine at a time. A [Frame] and everything that it points to is immutable
// after [Stream.Publish].
//
// The map of the program and the reasons behind it are in design.md.
package nvr
