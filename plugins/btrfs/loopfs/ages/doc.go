// Package ages makes subvolumes of a test image look as old as a test wants: it rewrites their creation times in an
// unmounted btrfs image, because no call of the kernel can. It can make snapshots of them too, in looks: the kernel commits for
// each that it makes, which takes a minute for ten thousand.
//
// It exists for rehearsals and tests on images that can be thrown away. It changes the times, the parent and the read-only flag
// of each ROOT_ITEM that it was asked for and the checksums of the blocks around them, in every copy, and nothing else: no block moves, no
// generation changes, backup roots keep what they have. It never touches a mounted image, a block device, or a block
// that it has not verified; and it writes nothing at all unless everything it was asked for can be done. It is not for
// data that matters: being interrupted while it writes can leave torn blocks.
//
// It knows filesystems of one device with crc32c checksums and single or DUP metadata, and refuses all others.
//
// Words:
//
//   - Block: a node or leaf of a tree, as large as the superblock's nodesize.
//   - Logical: an address of the filesystem; chunks map it to one physical offset in the image for each copy.
//
// Layouts and constants are those of linux/btrfs_tree.h; "(kernel: …)" names the function that holds the rule.
package ages
