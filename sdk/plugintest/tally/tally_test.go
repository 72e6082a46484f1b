package tally

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAdd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tally")
	t.Setenv(Variable, file)
	Add(t, "%d states", 3)
	Add(t, "seed 7\n2 cuts")
	if got, err := os.ReadFile(file); err != nil || string(got) != "TestAdd: 3 states\nTestAdd: seed 7; 2 cuts\n" {
		t.Errorf("%q, %v", got, err)
	}
}
