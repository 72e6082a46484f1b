package cutdisk

// The part of linux/fuse.h (protocol 7.31, Linux 5.4) that a file system of one file needs. All numbers are in the
// machine's byte order.

const (
	fuseMajor = 7
	fuseMinor = 31
)

const (
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opStatfs      = 17
	opRelease     = 18
	opFsync       = 20
	opFlush       = 25
	opInit        = 26
	opInterrupt   = 36
	opDestroy     = 38
	opBatchForget = 42
	opFallocate   = 43
)

const (
	initAsyncRead = 1 << 0  // FUSE_ASYNC_READ
	initBigWrites = 1 << 5  // FUSE_BIG_WRITES
	initMaxPages  = 1 << 22 // FUSE_MAX_PAGES
)

const openDirect = 1 << 0 // FOPEN_DIRECT_IO: every request of the loop device comes here as it is

const (
	inHeaderSize  = 40
	outHeaderSize = 16
	attrOutSize   = 104 // fuse_attr_out
	initOutSize   = 64
	openOutSize   = 16
	writeOutSize  = 8
	statfsOutSize = 80
	ioInSize      = 40 // fuse_read_in, fuse_write_in
)

// maxTransfer is the most that one request reads or writes.
const maxTransfer = 1 << 20
