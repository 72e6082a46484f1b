package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// TestUnits lets systemd verify each unit that the documents show. Their command is taken for the one that is tested.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		need.Missing(t, "systemd", "needs systemd-analyze")
	}
	command, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range documents(t) {
		dir := t.TempDir()
		for _, b := range d.blocks(t) {
			name := b.Option("file")
			if b.Language != "ini" || name == "" {
				continue
			}
			found++
			text := strings.ReplaceAll(d.Text(b), "=/usr/local/bin/coppice ", "="+command+" ")
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			// What is unknown is only warned of.
			if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s:%d: %v\n%s", d.File, b.Start+1, err, out)
			}
		}
	}
	if found == 0 {
		t.Error("no document shows a unit")
	}
}

// TestJournalIsDocumented compares the page of the journal with what is written to it.
func TestJournalIsDocumented(t *testing.T) {
	data, err := os.ReadFile("reference/systemd.md")
	if err != nil {
		t.Fatal(err)
	}
	var full report.Entry
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString("x")
		}
	}
	words := []string{report.RunStartedID, report.RunFinishedID, report.StepFailedID,
		boot.RolledBackID, boot.SkippedID, boot.RefusedID, boot.FellBackID, boot.ConfirmedID}
	for _, f := range full.Fields() {
		words = append(words, f.Name)
	}
	for _, word := range words {
		if !strings.Contains(string(data), "| `"+word+"` |") {
			t.Errorf("reference/systemd.md does not tell of %s", word)
		}
	}
}
