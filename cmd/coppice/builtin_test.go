package main

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/hbohlen/coppice/runner/host"
)

func TestBuiltins(t *testing.T) {
	for i, b := range builtins {
		if p := b.make(); p.Name != b.name {
			t.Errorf("%q makes the plugin %q", b.name, p.Name)
		}
		if i > 0 && b.name <= builtins[i-1].name {
			t.Errorf("%q is not in its place", b.name)
		}
	}
}

// TestBuiltinsDescribed: what is known of a built-in plugin without its process is what the process says.
func TestBuiltinsDescribed(t *testing.T) {
	a := &app{}
	var asked []host.Source
	for _, s := range a.sources() {
		s.Path, s.Describe = plain, nil
		asked = append(asked, s)
	}
	h := host.New(host.Options{Sources: asked})
	defer h.Close()
	for _, b := range builtins {
		for _, actions := range [][]string{nil, {"snapshot", "ping", "get", "status"}} {
			known, err := b.describe(context.Background(), actions)
			if err != nil {
				t.Fatal(err)
			}
			said, err := h.Describe(context.Background(), b.name, actions...)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(known, said) {
				a, _ := json.Marshal(known)
				b, _ := json.Marshal(said)
				at := 0
				for at < min(len(a), len(b)) && a[at] == b[at] {
					at++
				}
				t.Errorf("of %v is known …%.200s, and it says …%.200s", actions, a[min(at, len(a)):], b[min(at, len(b)):])
			}
		}
	}
}
