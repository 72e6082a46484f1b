package kernel_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

func counted(t *testing.T, f *kernel.Filesystem) {
	t.Helper()
	for {
		busy, err := f.Rescanning()
		must(t, err)
		if !busy {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	must(t, f.Sync())
}

func TestQuota(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	a, b := create(t, f, "a"), create(t, f, "b")
	limit := func(n uint64) kernel.QuotaLimit { return kernel.QuotaLimit{MaxReferenced: &n} }
	if q, err := f.Quota(); err != nil || q.Mode != kernel.QuotaOff || len(q.Groups) != 0 {
		t.Errorf("%+v, %v", q, err)
	}
	wantErr(t, "off", f.SetQuotaLimit(a.ID, a.UUID, limit(1<<20)), kernel.ErrInvalid)
	wantErr(t, "no such mode", f.EnableQuota("other"), kernel.ErrInvalid)
	must(t, f.DisableQuota()) // which they are

	must(t, f.EnableQuota(kernel.QuotaClassic))
	counted(t, f)
	must(t, f.EnableQuota(kernel.QuotaSimple)) // the kernel says nothing
	q, err := f.Quota()
	if err != nil || q.Mode != kernel.QuotaClassic || q.Inconsistent || len(q.Groups) != 3 {
		t.Errorf("%+v, %v", q, err)
	}
	wantErr(t, "another one", f.SetQuotaLimit(a.ID, b.UUID, limit(1<<20)), kernel.ErrChanged)
	wantErr(t, "none", f.SetQuotaLimit(9999, b.UUID, limit(1<<20)), kernel.ErrNotFound)
	exclusive := uint64(5 << 20)
	for _, want := range []kernel.QuotaLimit{limit(8 << 20), {MaxExclusive: &exclusive}, limit(0), {}} {
		must(t, f.SetQuotaLimit(a.ID, a.UUID, want))
		g, err := f.QuotaGroup(a.ID)
		if err != nil || !g.Equal(want) {
			t.Errorf("%+v, %v", g, err)
		}
		must(t, f.Sync())
		text := map[bool]string{true: "none", false: "%d"}
		of := func(n *uint64) string {
			if n == nil {
				return text[true]
			}
			return fmt.Sprintf(text[false], *n)
		}
		for line := range strings.Lines(btrfs(t, "qgroup", "show", "--raw", "-re", loop.Mount)) {
			fields := strings.Fields(line)
			if fields[0] == fmt.Sprintf("0/%d", a.ID) && (fields[3] != of(want.MaxReferenced) || fields[4] != of(want.MaxExclusive)) {
				t.Errorf("btrfs shows %q", line)
			}
		}
	}
	_, err = f.QuotaGroup(9999)
	wantErr(t, "no group", err, kernel.ErrNotFound)
	must(t, f.Rescan())
	counted(t, f)

	must(t, f.DisableQuota())
	if marked, err := f.SimpleQuotaFeature(); err != nil || marked {
		t.Errorf("marked %v, %v", marked, err)
	}
	must(t, f.EnableQuota(kernel.QuotaSimple))
	if q, err := f.Quota(); err != nil || q.Mode != kernel.QuotaSimple {
		t.Errorf("%+v, %v", q, err)
	}
	if marked, err := f.SimpleQuotaFeature(); err != nil || !marked {
		t.Errorf("marked %v, %v", marked, err)
	}
}
