// Package sandbox is a place where a rehearsal happens: a mount namespace of its own, with filesystems on images that have no name,
// and a tree of nothing but those that plugins are shut into.
//
// It touches nothing of the machine. All that it makes hangs on its processes: the mounts on the namespace, the loop devices on
// the mounts, the images on the loop devices, the processes on the one that began. However any of them ends, all is gone.
//
// Words:
//
//   - Stage: the process in the namespace. It still sees the machine, below its own mounts, and is trusted not to touch it.
//   - Tree: what a plugin sees that has entered: the copies of filesystems at the places of the originals, its own processes, the
//     machine's programs to read. No device but those of the images is in it.
//   - Lifeline: a pipe that the stage reads from. When it ends, because whoever began is gone, the stage ends.
package sandbox
