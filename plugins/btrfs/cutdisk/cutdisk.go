// Package cutdisk cuts the power of a disk, as often as one likes, without a disk.
//
// A Recorder is a disk with a volatile cache: an image file whose writes and flushes go through it and are written to a
// tape, in order. From the tape and the image as it was at its start, a Platter makes what a real disk could hold after
// a power cut at any moment: everything up to its last flush, and all, none or some of what was written after it, each
// such write whole, not at all, or torn between two of its blocks.
//
// Neither needs device mapper or a network block device, which many kernels lack: Record and Replay start a process that
// serves such a disk as a file, by FUSE, for a loop device to be put on. The file has no place in the tree of files, and
// nothing of it outlives its processes. The serving process is one of its own for a reason: a process that waits for
// a disk can't be killed, so it must not be the one that serves it. When the server ends, however it ends, everything
// that waits for its disks gets an error, and nothing hangs.
//
// The words. A tape is a file of records: writes, clearings (discards and writes of zeroes), flushes and marks. A
// boundary is a place between two records, given as the number of records before it. A cut is a boundary and a seed: 0
// for the state in which all that was written has reached the platter, anything else for one of the others. A tape and a
// cut give the same state each time.
//
// What is not modelled: blocks of 4 KiB are written whole or not at all, as every disk has promised for a decade; a disk
// that lies about flushes; several disks that lose power at different moments.
package cutdisk

// Block is the size of what is written whole or not at all, in bytes. Images are a whole number of them.
const Block = 4096

// Device is what is served as a disk. All offsets and lengths are in bytes and inside of it: the server sees to that.
// The methods are called one at a time.
type Device interface {
	Size() int64
	ReadAt(p []byte, at int64) error
	WriteAt(p []byte, at int64) error
	Clear(at, length int64) error // makes it read as zeroes
	Flush() error                 // everything written before this survives a cut after it
}
