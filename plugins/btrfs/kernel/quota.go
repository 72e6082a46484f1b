package kernel

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// QuotaMode is how the filesystem counts what its subvolumes use.
type QuotaMode string

// The modes.
const (
	QuotaOff     QuotaMode = "off"
	QuotaClassic QuotaMode = "classic" // by extents and who shares them: exact, and slow with many snapshots
	QuotaSimple  QuotaMode = "simple"  // by who wrote them first: cheap; kernel 6.7
)

// Quota is the state of the quotas.
type Quota struct {
	Mode         QuotaMode
	Inconsistent bool // the numbers are wrong until a rescan
	Groups       []QuotaGroup
}

// QuotaGroup counts, and may limit, what one subvolume uses, or a group of groups. Bytes, as of the last commit.
type QuotaGroup struct {
	Level                 uint16 // 0: of the subvolume with that ID
	ID                    uint64
	Referenced, Exclusive uint64
	QuotaLimit
}

// QuotaLimit is how many bytes a group may use; nil: any number.
type QuotaLimit struct {
	MaxReferenced, MaxExclusive *uint64
}

// Flags of btrfs_qgroup_status_item and btrfs_qgroup_limit_item, and the value that takes a limit away; linux/btrfs_tree.h,
// fs/btrfs/qgroup.c (CLEAR_VALUE).
const (
	quotaOn           = 1 << 0 // BTRFS_QGROUP_STATUS_FLAG_ON
	quotaInconsistent = 1 << 2 // BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT
	quotaSimpleMode   = 1 << 3 // BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE
	limitReferenced   = 1 << 0 // BTRFS_QGROUP_LIMIT_MAX_RFER
	limitExclusive    = 1 << 1 // BTRFS_QGROUP_LIMIT_MAX_EXCL
	noLimit           = ^uint64(0)
)

// Commands of BTRFS_IOC_QUOTA_CTL.
const (
	quotaEnable       = 1
	quotaDisable      = 2
	quotaEnableSimple = 4 // kernel 6.7
)

// featureSimpleQuota is BTRFS_FEATURE_INCOMPAT_SIMPLE_QUOTA.
const featureSimpleQuota = 1 << 16

// Quota reads the mode and all groups, sorted by level and ID: one pass over the tree of quotas. Groups of subvolumes that
// are gone can be among them for a while.
func (f *Filesystem) Quota() (Quota, error) {
	q := Quota{Mode: QuotaOff}
	groups := map[uint64]*QuotaGroup{}
	group := func(id uint64) *QuotaGroup {
		g := groups[id]
		if g == nil {
			g = &QuotaGroup{Level: uint16(id >> 48), ID: id & (1<<48 - 1)}
			groups[id] = g
		}
		return g
	}
	k := searchKey{treeID: treeQuota, maxObjectID: 0, minType: keyQuotaStatus, maxType: keyQuotaLimit, maxOffset: ^uint64(0)}
	err := search(f.top, k, bufferMany, func(it item) error {
		switch it.kind {
		case keyQuotaStatus:
			mode, inconsistent, ok := decodeQuotaStatus(it.data)
			if !ok {
				return errTruncated
			}
			q.Mode, q.Inconsistent = mode, inconsistent
		case keyQuotaInfo:
			if len(it.data) < 40 { // generation, referenced, its compressed, exclusive, its compressed
				return errTruncated
			}
			g := group(it.offset)
			g.Referenced, g.Exclusive = le64(it.data, 8), le64(it.data, 24)
		case keyQuotaLimit:
			limit, ok := decodeQuotaLimit(it.data)
			if !ok {
				return errTruncated
			}
			group(it.offset).QuotaLimit = limit
		}
		return nil
	})
	if err == unix.ENOENT { // no such tree
		return Quota{Mode: QuotaOff}, nil
	}
	if err != nil {
		return Quota{}, fail("read the quotas of filesystem", f.uuid.String(), err)
	}
	for _, g := range groups {
		q.Groups = append(q.Groups, *g)
	}
	slices.SortFunc(q.Groups, func(a, b QuotaGroup) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.ID, b.ID))
	})
	return q, nil
}

func decodeQuotaStatus(b []byte) (mode QuotaMode, inconsistent, ok bool) { // version, generation, flags, rescan
	if len(b) < 32 {
		return "", false, false
	}
	flags := binary.LittleEndian.Uint64(b[16:])
	switch {
	case flags&quotaOn == 0:
		mode = QuotaOff
	case flags&quotaSimpleMode != 0:
		mode = QuotaSimple
	default:
		mode = QuotaClassic
	}
	return mode, flags&quotaInconsistent != 0, true
}

func decodeQuotaLimit(b []byte) (limit QuotaLimit, ok bool) { // flags, max_rfer, max_excl, rsv_rfer, rsv_excl
	if len(b) < 40 {
		return QuotaLimit{}, false
	}
	flags := le64(b, 0)
	if flags&limitReferenced != 0 {
		n := le64(b, 8)
		limit.MaxReferenced = &n
	}
	if flags&limitExclusive != 0 {
		n := le64(b, 16)
		limit.MaxExclusive = &n
	}
	return limit, true
}

// EnableQuota switches quotas on. Classic ones begin with a rescan, which Rescanning tells the end of. The kernel says nothing when
// the other mode is on already, and changes nothing: read the mode afterwards. ErrUnsupported for simple ones before kernel
// 6.7. It is lost in a power cut unless a commit follows (Sync).
func (f *Filesystem) EnableQuota(mode QuotaMode) error {
	const op = "enable quotas of filesystem"
	args := &quotaCtlArgs{}
	switch mode {
	case QuotaClassic:
		args.command = quotaEnable
	case QuotaSimple:
		args.command = quotaEnableSimple
	default:
		return refuse(op, f.uuid.String(), ErrInvalid, "%q is no mode of quotas", mode)
	}
	err := ioctlAgain(f.top, iocQuotaCtl, unsafe.Pointer(args))
	if err == unix.EINVAL {
		return &Error{Op: op, Subject: f.uuid.String(), Kind: ErrUnsupported, Fact: "this kernel does not know " + string(mode) + " quotas", Err: err}
	}
	if err != nil {
		return fail(op, f.uuid.String(), err)
	}
	return nil
}

// DisableQuota switches quotas off. All groups and limits are gone then. It is lost in a power cut unless a commit follows.
func (f *Filesystem) DisableQuota() error {
	args := &quotaCtlArgs{command: quotaDisable}
	if err := ioctlAgain(f.top, iocQuotaCtl, unsafe.Pointer(args)); err != nil && err != unix.ENOTCONN {
		return fail("disable quotas of filesystem", f.uuid.String(), err)
	}
	return nil
}

// Rescan begins to count anew what is used, with classic quotas. One that runs already is no error.
func (f *Filesystem) Rescan() error {
	args := new(quotaRescanArgs)
	if err := ioctlAgain(f.top, iocQuotaRescan, unsafe.Pointer(args)); err != nil && err != unix.EINPROGRESS {
		return fail("count anew the quotas of filesystem", f.uuid.String(), err)
	}
	return nil
}

// Rescanning reports whether the kernel is counting anew what is used.
func (f *Filesystem) Rescanning() (bool, error) {
	args := new(quotaRescanArgs)
	if err := ioctlAgain(f.top, iocRescanStatus, unsafe.Pointer(args)); err != nil {
		return false, fail("read the state of the quotas of filesystem", f.uuid.String(), err)
	}
	return args.flags != 0, nil
}

// SimpleQuotaFeature reports whether the filesystem has the mark of simple quotas, which stays when they are disabled: a
// kernel before 6.7 does not mount it any more.
func (f *Filesystem) SimpleQuotaFeature() (bool, error) {
	args := new(featureArgs)
	if err := ioctlAgain(f.top, iocGetFeatures, unsafe.Pointer(args)); err != nil {
		return false, fail("read the features of filesystem", f.uuid.String(), err)
	}
	return args.incompat&featureSimpleQuota != 0, nil
}

// SetQuotaLimit limits the group of a subvolume, after making sure that it has the UUID that the caller decided upon
// (ErrChanged). ErrNotFound if it, or its group, is not there; ErrInvalid while quotas are off. It is lost in a power cut
// unless a commit follows (Sync).
func (f *Filesystem) SetQuotaLimit(id uint64, uuid UUID, limit QuotaLimit) error {
	const op = "limit the subvolume"
	s, err := f.root(id)
	if err != nil {
		return fail(op, quoteID(id), err)
	}
	if s.UUID != uuid {
		return refuse(op, quoteID(id), ErrChanged, "it has UUID %v, not %v", s.UUID, uuid)
	}
	args := &qgroupLimitArgs{group: id, flags: limitReferenced | limitExclusive, maxReferenced: noLimit, maxExclusive: noLimit}
	if limit.MaxReferenced != nil {
		args.maxReferenced = *limit.MaxReferenced
	}
	if limit.MaxExclusive != nil {
		args.maxExclusive = *limit.MaxExclusive
	}
	switch err := ioctlAgain(f.top, iocQgroupLimit, unsafe.Pointer(args)); err {
	case nil:
		return nil
	case unix.ENOTCONN:
		return &Error{Op: op, Subject: quoteID(id), Kind: ErrInvalid, Fact: "quotas are off", Err: err}
	case unix.ENOENT:
		return &Error{Op: op, Subject: quoteID(id), Kind: ErrNotFound, Fact: "it has no quota group", Err: err}
	default:
		return fail(op, quoteID(id), err)
	}
}

// QuotaGroup reads the group of one subvolume; ErrNotFound if there is none.
func (f *Filesystem) QuotaGroup(id uint64) (QuotaGroup, error) {
	const op = "read the quota group of the subvolume"
	g := QuotaGroup{ID: id}
	found := false
	for _, kind := range []uint32{keyQuotaInfo, keyQuotaLimit} {
		k := searchKey{treeID: treeQuota, minType: kind, maxType: kind, minOffset: id, maxOffset: id}
		err := search(f.top, k, bufferOne, func(it item) error {
			ok := true
			if it.kind == keyQuotaInfo {
				if ok = len(it.data) >= 40; ok {
					g.Referenced, g.Exclusive = le64(it.data, 8), le64(it.data, 24)
				}
			} else {
				g.QuotaLimit, ok = decodeQuotaLimit(it.data)
			}
			if !ok {
				return errTruncated
			}
			found = true
			return nil
		})
		if err != nil {
			return g, fail(op, quoteID(id), err)
		}
	}
	if !found {
		return g, refuse(op, quoteID(id), ErrNotFound, "it has none")
	}
	return g, nil
}

// Equal reports whether two limits are the same.
func (l QuotaLimit) Equal(other QuotaLimit) bool {
	same := func(a, b *uint64) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(l.MaxReferenced, other.MaxReferenced) && same(l.MaxExclusive, other.MaxExclusive)
}
