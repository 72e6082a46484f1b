// Package kernel speaks to the btrfs of the running kernel: a thin, typed layer over its ioctls.
//
// It answers questions about a mounted filesystem (subvolumes, usage, what is mounted where) and makes the few changes
// that storage playbooks are built of (create, snapshot, delete, small state files). It decides nothing: which
// subvolume is to go, how often to try again and what to tell the user are the caller's. It never runs another
// program, never follows a symbolic link inside the filesystem, and never deletes a subvolume by its name or path.
// All unsafe code of the btrfs plugin is in this package.
//
// Words:
//
//   - Top level: subvolume 5, the root of everything, whether or not it is mounted anywhere. A [Filesystem] holds it
//     open through a private mount that no path leads to.
//   - Path: relative to the top level, separated by "/", without a leading one; "" is the top level. Any byte but "/"
//     and NUL may be in a name: newlines and invalid UTF-8 too.
//   - ID: the number of a subvolume. It is unique at one time, but reused: a record keeps the UUID.
//   - Transaction: what the kernel commits as one. Two snapshots with the same OTransID are of the same instant.
//   - Orphan: a subvolume that was deleted and whose space the kernel's cleaner has not freed yet. No method but
//     [Filesystem.Orphans] and [Filesystem.WaitCleaned] knows it any more.
//
// Errors are of type [*Error], except where a method says so, and answer errors.Is for the sentinels of this package
// and for the kernel's errno.
package kernel
