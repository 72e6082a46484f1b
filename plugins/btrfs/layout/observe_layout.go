package layout

import (
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// observed is what a layout looks at.
type observed struct {
	targets map[string]target // by path: of the entries, and of the subvolumes that they lie in
	quotas
}

func observeLayout(f *kernel.Filesystem, v *subvolume.View, all []wanted) (observed, error) {
	o := observed{targets: map[string]target{}}
	look := func(path string) error {
		if _, known := o.targets[path]; known {
			return nil
		}
		t, err := observeTarget(f, v, path)
		o.targets[path] = t
		return err
	}
	limited := false
	for _, w := range all {
		v.LookAt(w.path)
		limited = limited || w.limited()
		around, _ := v.Around(volume.ParentOf(w.path)) // or the top level, whose path is ""
		for _, path := range []string{w.path, around.Path} {
			if err := look(path); err != nil {
				return o, err
			}
		}
	}
	if !limited {
		return o, nil
	}
	var err error
	o.quotas, err = observeQuotas(f, v)
	return o, err
}
