package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestImage(t *testing.T) {
	text := found{"boot-rollback.yaml", []byte("version: 1\n")}
	now := imageOf(text, map[string]any{"root": "root", "fall_back": int64(3)})
	if now.Boot == "" || now.Version == "" || now.Inputs != imageOf(text, map[string]any{"fall_back": int64(3), "root": "root"}).Inputs {
		t.Errorf("%+v", now)
	}
	file := filepath.Join(t.TempDir(), "image.json")
	put := func(i image) {
		t.Helper()
		data, err := json.Marshal(i)
		if err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if s := imageNow(file, now); s.Ran || len(s.Stale) != 0 {
		t.Errorf("none: %+v", s)
	}
	put(now)
	if s := imageNow(file, now); !s.Ran || s.Version != now.Version || len(s.Stale) != 0 {
		t.Errorf("same: %+v", s)
	}
	old := now
	old.Version = "0.0.1"
	put(old)
	if s := imageNow(file, now); !slices.Equal(s.Stale, []string{"the initrd has coppice 0.0.1, and " + now.Version + " is installed"}) {
		t.Errorf("version: %+v", s)
	}
	for name, other := range map[string]image{
		"inputs":   imageOf(text, map[string]any{"root": "@root", "fall_back": int64(3)}),
		"playbook": imageOf(found{"boot-rollback.yaml", []byte("version: 1\n\n")}, map[string]any{"root": "root", "fall_back": int64(3)}),
	} {
		put(other)
		if s := imageNow(file, now); len(s.Stale) != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	old = now
	old.Boot = "another"
	put(old)
	if s := imageNow(file, now); s.Ran {
		t.Errorf("an earlier boot: %+v", s)
	}
}
