// Package decode makes pictures and sound of what cameras send: small grey
// pictures for the detector, JPEGs, AAC, Opus, H.264, and the frames of a video
// file. It owns all of Lares that is C, namely FFmpeg in the build of
// packaging/ffmpeg, reached through go-astiav, and runs in media workers only,
// behind their fence.
//
// It opens no files and no connections, starts no goroutines and keeps nothing
// between values. A [Video], [Sound], [Transcoder] or [File] belongs to one
// goroutine at a time and holds C memory until Close; different values may be used
// at once.
//
// Three rules keep the C memory sound, and are kept in one place each: 64 zero
// bytes lie behind every packet (packet.fill), a packet or frame is emptied
// before it is used again, and whatever was allocated is freed by Close.
package decode
