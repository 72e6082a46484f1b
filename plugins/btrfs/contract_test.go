package btrfs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest"
)

func TestMain(m *testing.M) { plugintest.Main(m, btrfs.New) }

type inputs = map[string]any

// contract is a filesystem whose subvolumes are made anew for each try.
type contract struct {
	fs   *loopfs.Filesystem
	base time.Time // of the first snapshot
}

// first is the path of the first snapshot.
func (c contract) first() string { return "snapshots/root/" + c.base.Format("20060102T150405.000Z") }

// state is what actions change: the subvolumes, the default one, and what properties and pins say.
func (c contract) state(ctx context.Context) (string, error) {
	f, err := kernel.Open(ctx, c.fs.Mount)
	if err != nil {
		return "", err
	}
	defer f.Close()
	all, err := f.List()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintln(&b, s.Path, s.UUID, s.ReadOnly)
	}
	for _, words := range [][]string{{"btrfs", "subvolume", "get-default", c.fs.Mount}, {"lsattr", "-d", c.fs.Path("root")}, {"ls", c.fs.Path(".coppice", "holds")}} {
		out, _ := exec.Command(words[0], words[1:]...).CombinedOutput() // what is not there is a state too
		for line := range strings.Lines(string(out)) {
			before, gen, _ := strings.Cut(line, " gen ") // the generation counts everything
			_, after, _ := strings.Cut(gen, " ")
			b.WriteString(before + after)
		}
	}
	return b.String(), nil
}

// prepare leaves root with a file, and as many snapshots of it.
func (c contract) prepare(snapshots int, more ...func() error) func(context.Context) error {
	return func(ctx context.Context) error {
		f, err := kernel.Open(ctx, c.fs.Mount)
		if err != nil {
			return err
		}
		defer f.Close()
		all, err := f.List()
		if err != nil {
			return err
		}
		err = exec.Command("btrfs", "subvolume", "set-default", "5", c.fs.Mount).Run()
		for _, s := range all {
			if s.ID != kernel.TopLevelID {
				err = errors.Join(err, exec.Command("btrfs", "property", "set", "-f", c.fs.Path(s.Path), "ro", "false").Run(),
					exec.Command("btrfs", "subvolume", "delete", c.fs.Path(s.Path)).Run())
			}
		}
		for _, name := range []string{"snapshots", ".coppice", "restored"} {
			err = errors.Join(err, os.RemoveAll(c.fs.Path(name)))
		}
		err = errors.Join(err, exec.Command("btrfs", "subvolume", "create", c.fs.Path("root")).Run(),
			os.WriteFile(c.fs.Path("root", "orders.db"), []byte("the only copy"), 0o600))
		for i := range snapshots {
			err = errors.Join(err, c.do(ctx, "snapshot", inputs{"sources": []string{"root"}, "clock": "rtc"}, c.base.Add(time.Duration(i)*time.Millisecond)))
		}
		for _, do := range more {
			err = errors.Join(err, do())
		}
		return err
	}
}

func (c contract) do(ctx context.Context, action string, in inputs, instant time.Time) error {
	in["filesystem"] = c.fs.Mount
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	p := btrfs.New()
	r := sdk.Request{ID: "1", Run: "earlier", Step: "earlier", Action: action, Inputs: data, Instant: instant.UTC().Truncate(time.Millisecond)}
	plan, err := p.Plan(ctx, r)
	if err != nil {
		return err
	}
	result, err := p.Apply(ctx, r, plan, func(sdk.Event) {})
	if err == nil && sdk.HasErrors(result.Diagnostics) {
		err = errors.New(result.Diagnostics[0].Summary)
	}
	return err
}

// The plugin keeps the contract, on a real filesystem.
func TestContract(t *testing.T) {
	c := contract{loopfs.ForTest(t, loopfs.Options{Size: 256 << 20}), time.Now().UTC().Truncate(time.Millisecond)}
	var cases []plugintest.Case
	add := func(action string, in inputs, prepare func(context.Context) error, more ...func(*plugintest.Case)) {
		all := inputs{"filesystem": c.fs.Mount}
		for name, value := range in {
			all[name] = value
		}
		one := plugintest.Case{Action: action, Inputs: all, Prepare: prepare, State: c.state}
		for _, set := range more {
			set(&one)
		}
		cases = append(cases, one)
	}
	add("create", inputs{"subvolume": "data"}, c.prepare(0))
	add("snapshot", inputs{"sources": []string{"root"}, "clock": "rtc"}, c.prepare(0))
	add("prune", inputs{"sources": []string{"root"}, "last": 1}, c.prepare(3), func(one *plugintest.Case) {
		one.Drift = func(ctx context.Context) error { // one that would have gone is kept by somebody
			entries, err := os.ReadDir(c.fs.Path("snapshots", "root"))
			if err != nil {
				return err
			}
			return c.do(ctx, "pin", inputs{"subvolumes": []string{"snapshots/root/" + entries[0].Name()}}, time.Now())
		}
	})
	add("property", inputs{"path": "root", "read_only": true, "compression": "zstd"}, c.prepare(0))
	add("set_default", inputs{"subvolume": "root"}, c.prepare(0))
	add("rename", inputs{"subvolume": "root", "to": "old"}, c.prepare(0))
	add("layout", inputs{"subvolumes": []inputs{{"path": "root", "compression": "zstd"}, {"path": "log", "no_cow": true}}}, c.prepare(0))
	add("delete_tree", inputs{"subvolumes": []string{"root"}}, c.prepare(0))
	add("list", inputs{"under": "snapshots"}, c.prepare(2))
	add("usage", nil, c.prepare(1), func(one *plugintest.Case) { one.Varies = []string{"/outputs", "/summary"} }) // it is written to meanwhile
	add("find", inputs{"path": "root/orders.db"}, c.prepare(2))
	add("restore", inputs{"snapshot": c.first(), "path": "orders.db", "to": "root/restored.db"}, c.prepare(1), func(one *plugintest.Case) { one.Watch = []string{c.fs.Path("root")} })
	add("pin", inputs{"subvolumes": []string{c.first()}, "reason": "before the upgrade"}, c.prepare(1))
	add("unpin", inputs{"subvolumes": []string{c.first()}}, c.prepare(1, func() error {
		return c.do(context.Background(), "pin", inputs{"subvolumes": []string{c.first()}}, time.Now())
	}))
	add("delete", inputs{"subvolumes": []string{c.first()}}, c.prepare(2))
	plugintest.Run(t, plugintest.Options{Name: "btrfs", Cases: cases})
}
