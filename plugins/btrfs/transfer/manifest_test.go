package transfer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Of a long chain, a broken one and one that runs in a circle.
func TestUsable(t *testing.T) {
	dir := t.TempDir()
	var all []manifest
	add := func(id, parent int) {
		stamp := time.Date(2026, 1, 1, 0, len(all), 0, 0, time.UTC).Format("20060102T150405.000Z")
		m := manifest{Stamp: stamp, UUID: number(id), Parent: number(parent), Bytes: 1}
		all = append(all, m)
		if err := os.WriteFile(filepath.Join(dir, stamp+streamSuffix), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const long = 2000
	for i := 1; i <= long; i++ {
		add(i, i-1)
	}
	add(3001, 3000) // to what is not there
	add(3002, 3001)
	add(4001, 4002) // in a circle
	add(4002, 4001)
	whole, needs := usable(dir, all)
	if len(whole) != long || needs[number(long)] != long || needs[number(1)] != 1 {
		t.Errorf("%d usable, the last takes %d", len(whole), needs[number(long)])
	}
	byUUID := map[kernel.UUID]manifest{}
	for _, m := range whole {
		byUUID[m.UUID] = m
	}
	if way := upTo(byUUID, number(long)); len(way) != long || way[0].UUID != number(1) {
		t.Errorf("%d files", len(way))
	}
	if err := os.Truncate(filepath.Join(dir, all[999].Stamp+streamSuffix), 0); err != nil {
		t.Fatal(err)
	}
	if whole, _ := usable(dir, all); len(whole) != 999 {
		t.Errorf("with one that is cut short %d are usable", len(whole))
	}
}

func number(n int) (id kernel.UUID) {
	if n > 0 {
		copy(id[:], fmt.Sprintf("%016d", n))
	}
	return id
}

func TestManifestsAreChecked(t *testing.T) {
	const stamp = "20261024T060000.000Z"
	const good = `{"version": 1, "source": "a/b", "stamp": "` + stamp + `", "uuid": "00000000-0000-0000-0000-000000000001"`
	for text, ok := range map[string]bool{
		good + "}": true,
		good + `, "parent": "00000000-0000-0000-0000-000000000002"}`: true,
		good + `, "parent": "00000000-0000-0000-0000-000000000001"}`: false,
		good + `, "version": 2}`:                                     false,
		good + `, "source": "a"}`:                                    false,
		good + `, "source": "../a-b"}`:                               false,
		good + `, "stamp": "20261024"}`:                              false,
		good + `, "uuid": "x"}`:                                      false,
		good:                                                         false,
		"":                                                           false,
	} {
		dir := filepath.Join(t.TempDir(), "a-b")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, stamp+manifestSuffix), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readManifest(dir, stamp); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
