package ages

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Fields and size of btrfs_root_item. Kernels up to 3.5 wrote a shorter one, without UUID and times.
const (
	rootGeneration   = 160
	rootFlags        = 208
	rootRefs         = 216
	rootGenerationV2 = 239
	rootUUID         = 247
	rootParentUUID   = 263
	rootCTime        = 327
	rootOTime        = 339
	rootSize         = 439

	rootKind    = 132 // BTRFS_ROOT_ITEM_KEY
	readOnly    = 1   // BTRFS_ROOT_SUBVOL_RDONLY
	topLevel    = 5   // BTRFS_FS_TREE_OBJECTID
	firstSubvol = 256 // BTRFS_FIRST_FREE_OBJECTID
	lastSubvol  = 1<<64 - 256
)

// subvolume returns the UUID of the subvolume that an item of the root tree describes. It reports false for everything
// else, for deleted subvolumes and for those whose UUID is not to be believed (kernel: btrfs_read_root_item).
func subvolume(it item) (kernel.UUID, bool) {
	id := it.key.object
	if it.key.kind != rootKind || id != topLevel && (id < firstSubvol || id > lastSubvol) || len(it.data) < rootSize ||
		le.Uint32(it.data[rootRefs:]) == 0 ||
		le.Uint64(it.data[rootGeneration:]) != le.Uint64(it.data[rootGenerationV2:]) {
		return kernel.UUID{}, false
	}
	return kernel.UUID(it.data[rootUUID : rootUUID+16]), true
}

// plan returns the blocks to write, in the order of the root tree, with the times in them but not yet sealed.
func (v *volume) plan(times map[kernel.UUID]Facts) ([]*block, error) {
	if err := checkTimes(times); err != nil {
		return nil, err
	}
	var patches []*block
	found := map[kernel.UUID]uint64{}
	err := v.walk(v.super.root, func(b *block, items []item) error {
		changed := false
		for _, it := range items {
			uuid, ok := subvolume(it)
			t, wanted := times[uuid]
			if !ok || !wanted {
				continue
			}
			if other, twice := found[uuid]; twice {
				return fmt.Errorf("subvolumes %d and %d have the same UUID %s", other, it.key.object, uuid)
			}
			found[uuid] = it.key.object
			putTime(it.data[rootOTime:], t.Created)
			putTime(it.data[rootCTime:], t.Changed)
			if !t.Parent.IsZero() {
				copy(it.data[rootParentUUID:], t.Parent[:])
			}
			if t.ReadOnly {
				le.PutUint64(it.data[rootFlags:], le.Uint64(it.data[rootFlags:])|readOnly)
			}
			changed = true
		}
		if changed {
			patches = append(patches, b)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("root tree: %w", err)
	}
	if missing := missing(times, found); len(missing) > 0 {
		return nil, fmt.Errorf("it has no subvolume with the UUID %s", strings.Join(missing, ", "))
	}
	return patches, nil
}

// missing returns what was not found, sorted.
func missing(times map[kernel.UUID]Facts, found map[kernel.UUID]uint64) (uuids []string) {
	for _, uuid := range sorted(times) {
		if _, ok := found[uuid]; !ok {
			uuids = append(uuids, uuid.String())
		}
	}
	return uuids
}

func sorted(times map[kernel.UUID]Facts) []kernel.UUID {
	uuids := make([]kernel.UUID, 0, len(times))
	for uuid := range times {
		uuids = append(uuids, uuid)
	}
	slices.SortFunc(uuids, func(a, b kernel.UUID) int { return bytes.Compare(a[:], b[:]) })
	return uuids
}

// checkTimes refuses what btrfs takes for "none" or would read as a time far in the future.
func checkTimes(times map[kernel.UUID]Facts) error {
	for _, uuid := range sorted(times) {
		if uuid.IsZero() {
			return fmt.Errorf("%s is the UUID of no subvolume", uuid)
		}
		for _, t := range []time.Time{times[uuid].Created, times[uuid].Changed} {
			if !t.IsZero() && t.Unix() <= 0 {
				return fmt.Errorf("subvolume %s: the time %s is not after the start of 1970", uuid,
					t.UTC().Format(time.RFC3339))
			}
		}
	}
	return nil
}

// putTime writes a btrfs_timespec: 8 bytes of seconds, 4 of nanoseconds.
func putTime(raw []byte, t time.Time) {
	if t.IsZero() {
		return
	}
	le.PutUint64(raw, uint64(t.Unix()))
	le.PutUint32(raw[8:], uint32(t.Nanosecond()))
}
