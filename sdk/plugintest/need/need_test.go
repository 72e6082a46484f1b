package need_test

import (
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

type recorder struct{ skipped, failed bool }

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic("ended") }

func TestMissing(t *testing.T) {
	for require, fails := range map[string]bool{
		"": false, "root": false, "btrfsx,": false, "btrfs": true, "root,btrfs,protoc": true,
	} {
		t.Setenv("COPPICE_REQUIRE", require)
		var r recorder
		func() {
			defer func() { recover() }()
			need.Missing(&r, "btrfs", "no btrfs")
		}()
		if r.failed != fails || r.skipped == fails {
			t.Errorf("COPPICE_REQUIRE=%q: %+v", require, r)
		}
	}
}
