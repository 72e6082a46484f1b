package kernel

import "unsafe"

// receivedArgs is btrfs_ioctl_received_subvol_args, linux/btrfs.h.
type receivedArgs struct {
	uuid               [16]byte
	stransid, rtransid uint64
	stime, rtime       timespec
	flags              uint64
	_                  [16]uint64
}

var _ = [1]int{}[unsafe.Sizeof(receivedArgs{})-200]

const iocSetReceived = iocRead | iocWrite | 200<<16 | iocMagic | 37 // BTRFS_IOC_SET_RECEIVED_SUBVOL

// SetReceived makes a writable subvolume say that it was received from another one, as btrfs receive does at its end. The
// kernel notes the time. It is lost in a power cut unless a commit follows (Sync).
func (f *Filesystem) SetReceived(path string, id, from UUID) error {
	const op = "set the received UUID of"
	dir, err := f.openSubvolume(op, path, 0, id)
	if err != nil {
		return err
	}
	defer dir.Close()
	args := &receivedArgs{uuid: from}
	if err := ioctlAgain(dir, iocSetReceived, unsafe.Pointer(args)); err != nil {
		return fail(op, quote(path), err)
	}
	return nil
}
