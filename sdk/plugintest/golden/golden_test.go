package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// recorder is a test that is not stopped.
type recorder struct {
	testing.TB
	said int
}

func (r *recorder) Errorf(string, ...any) { r.said++ }
func (r *recorder) Fatalf(string, ...any) { r.said += 10 }

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.golden")
	check := func(got string, want int) {
		t.Helper()
		r := &recorder{TB: t}
		if Check(r, file, got); r.said != want {
			t.Errorf("said %d, not %d", r.said, want)
		}
	}
	*update = true
	check("one\n", 0)
	*update = false
	if data, err := os.ReadFile(file); err != nil || string(data) != "one\n" {
		t.Errorf("%q %v", data, err)
	}
	check("one\n", 0)
	check("other\n", 1)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	check("one\n", 11) // a real Fatalf ends the test
}
