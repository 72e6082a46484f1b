// Package replica makes copies of the shape of btrfs filesystems: their subvolumes and what belongs to these, without the files
// in them. A rehearsal executes a playbook on such a copy.
//
// Capture only reads. Build writes to the one filesystem that it is given, which is meant to be an empty one on an image that
// can be thrown away; it deletes nothing there but what it made itself on the way. What is not in a Layout is not in the copy:
// files, owners, free space, devices.
//
// Words:
//
//   - Layout: the shape of one or more filesystems, as a value and as a file (format coppice.layout).
//   - Identity: the UUID that a subvolume has in a Layout. That of the copy is another one, which the kernel has chosen: nothing
//     that is decided about a copy can be carried out on its original, not by mistake either. Records refer to subvolumes by
//     UUID; those of the copy are written with the copies' UUIDs.
//   - Ghost: a subvolume that snapshots were taken of, and that is not there any more.
//   - Series: many snapshots of one subvolume, as few words in a file written by hand.
package replica
