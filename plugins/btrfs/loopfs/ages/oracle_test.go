package ages_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

func dump(t *testing.T, image string) []string {
	return strings.Split(run(t, "btrfs", "inspect-internal", "dump-tree", "-t", "root", image), "\n")
}

// checkDump expects the lines of the root tree to be the same, but for the otime of those that were created then.
func checkDump(t *testing.T, before, after []string, created map[kernel.UUID]time.Time) {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("%d lines of the root tree became %d", len(before), len(after))
	}
	found := map[kernel.UUID]bool{}
	var uuid kernel.UUID
	for i, line := range before {
		if s, ok := strings.CutPrefix(line, "\t\tuuid "); ok {
			_ = uuid.UnmarshalText([]byte(s))
		}
		if at, ok := created[uuid]; ok && strings.HasPrefix(line, "\t\totime ") {
			line = fmt.Sprintf("\t\totime %d.%d (%s)", at.Unix(), at.Nanosecond(), at.UTC().Format("2006-01-02 15:04:05"))
			found[uuid] = true
		}
		if after[i] != line {
			t.Fatalf("line %d of the root tree is\n%s\nexpected\n%s", i+1, after[i], line)
		}
	}
	if len(found) != len(created) {
		t.Errorf("%d of %d are in the root tree", len(found), len(created))
	}
}

// different counts the bytes in which two files of the same size differ.
func different(t *testing.T, a, b string) (n int) {
	t.Helper()
	var readers [2]io.Reader
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		readers[i] = bufio.NewReader(f)
	}
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		_, errX := io.ReadFull(readers[0], x)
		_, errY := io.ReadFull(readers[1], y)
		if errX != nil || errY != nil {
			if errX != io.EOF || errY != io.EOF {
				t.Fatal(errX, errY)
			}
			return n
		}
		if bytes.Equal(x, y) {
			continue
		}
		for i := range x {
			if x[i] != y[i] {
				n++
			}
		}
	}
}
