package volume

import "testing"

func TestHoldParameter(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "quiet root=x": "", "a coppice.hold b": "coppice.hold", "coppice.hold=1": "coppice.hold=1", "coppice.hold=0\n": "",
		"coppice.hold=yes coppice.hold=no": "", "coppice.holder x.coppice.hold": "", "coppice.hold=no coppice.hold": "coppice.hold",
	} {
		if got := holdParameter(line); got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
}
