package main

import "testing"

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
