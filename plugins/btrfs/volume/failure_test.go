package volume

import (
	"errors"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err    error
		reason sdk.Reason
		advice string
	}{
		{&kernel.Error{Op: "x", Kind: kernel.ErrNotPermitted}, sdk.NotPermitted, "run as root"},
		{&kernel.Error{Op: "x", Kind: kernel.ErrChanged}, sdk.Drifted, "new plan"},
		{&kernel.Error{Op: "x", Kind: kernel.ErrBusy}, sdk.Busy, "wait"},
		{&kernel.Error{Op: "x", Kind: kernel.ErrReadOnly}, sdk.Failed, "writable"},
		{errors.New("x"), sdk.Failed, ""},
	} {
		d := ItemError(Explain("/p", c.err))
		if d.Reason != c.reason || !strings.Contains(d.Advice, c.advice) || d.Path != "/p" || d.Summary != c.err.Error() {
			t.Errorf("%v: %+v", c.err, d)
		}
	}
	d := ItemError(ExplainOpen(&kernel.Error{Op: "open", Kind: kernel.ErrNotPermitted}))
	if d.Reason != sdk.NotPermitted || d.Path != "/filesystem" {
		t.Errorf("%+v", d)
	}
}
