package transfer

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// receiveHere is set for a process that stands for "coppice receive": to the folder that it is for.
const receiveHere = "COPPICE_TEST_RECEIVE"

func TestMain(m *testing.M) {
	if under, ok := os.LookupEnv(receiveHere); ok {
		h := volume.Live()
		h.Clock = func() (string, error) { return "", nil }
		if err := Serve(context.Background(), h, under, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "coppice receive:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
