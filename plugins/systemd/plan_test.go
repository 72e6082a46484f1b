package systemd

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk"
)

// world is a service manager that does just what a plan says.
type world map[string]*Unit

func (w world) view(prior []sdk.Change, own ...string) *View {
	return newView(
		func(name string) (*Unit, error) {
			u := w[name]
			if u == nil {
				return &Unit{ID: name, Load: "not-found", State: inactive}, nil
			}
			return w.seen(u), nil
		},
		func(name string) (string, error) { return w[name].File, nil },
		func() []string { return []string{"db.service", "app.service"} }, own, prior)
}

// seen is a unit with its reverse dependencies, as the manager knows them: those of units that run.
func (w world) seen(u *Unit) *Unit {
	c := *u
	for name, other := range w {
		if !other.running() {
			continue
		}
		for names, back := range map[*[]string]*[]string{&other.Requires: &c.RequiredBy, &other.BindsTo: &c.BoundBy, &other.PartOf: &c.ConsistsOf, &other.Conflicts: &c.ConflictedBy} {
			if slices.Contains(*names, u.ID) {
				*back = append(*back, name)
			}
		}
	}
	return &c
}

func unitOf(id string, change func(*Unit)) *Unit {
	u := &Unit{ID: id, Load: "loaded", State: inactive, CanStart: true, CanStop: true, Type: "simple", File: "disabled"}
	if change != nil {
		change(u)
	}
	return u
}

func aWorld() world {
	return world{
		"a.service":    unitOf("a.service", func(u *Unit) { u.CanReload = true }),
		"b.service":    unitOf("b.service", func(u *Unit) { u.Requires = []string{"a.service"} }),
		"c.service":    unitOf("c.service", func(u *Unit) { u.BindsTo = []string{"b.service"}; u.Wants = []string{"once.service", "none.service"} }),
		"d.service":    unitOf("d.service", func(u *Unit) { u.Conflicts = []string{"a.service"} }),
		"e.service":    unitOf("e.service", func(u *Unit) { u.PartOf = []string{"c.service"} }),
		"once.service": unitOf("once.service", func(u *Unit) { u.Type = "oneshot" }),
	}
}

// do makes the changes that are certain.
func (w world) do(changes []sdk.Change) {
	for _, c := range changes {
		if c.Conditional != "" {
			continue
		}
		v := newView(nil, nil, nil, nil, []sdk.Change{c})
		u, over := w[c.Resource.Name], v.prior[c.Resource.Name]
		if over.State != "" {
			u.State = over.State
		}
		if over.Enabled != "" {
			u.File = over.Enabled
			u.Load = map[bool]string{true: "masked", false: "loaded"}[masked(u.File)]
			if u.File == unknownFile {
				u.File = "disabled"
			}
		}
	}
}

// TestPreviewIsRun plans rows of random steps, each with what the ones before have planned, and each behind those that have been made.
func TestPreviewIsRun(t *testing.T) {
	names := []string{"a.service", "b.service", "c.service", "d.service", "e.service", "once.service"}
	verbs := []verb{start, start, stop, restart, reload, reloadOrRestart}
	files := []fileVerb{enable, disable, mask, unmask}
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		preview, run := aWorld(), aWorld()
		var prior []sdk.Change
		var story []string
		for range 12 {
			name := names[rnd.IntN(len(names))]
			var plan func(*View) ([]sdk.Change, error)
			if rnd.IntN(4) == 0 {
				do, runtime := files[rnd.IntN(len(files))], rnd.IntN(2) == 0
				if do == disable || do == unmask {
					runtime = false
				}
				if do == enable { // whether that is needed after an unmask is known after it
					continue
				}
				story = append(story, string(do)+" "+name)
				plan = func(v *View) ([]sdk.Change, error) { p, err := planFile(v, name, do, runtime); return p.Changes, err }
			} else {
				do := verbs[rnd.IntN(len(verbs))]
				story = append(story, string(do)+" "+name)
				plan = func(v *View) ([]sdk.Change, error) { p, err := planJob(v, name, do); return p.Changes, err }
			}
			planned, refused := plan(preview.view(prior))
			made, refusedToo := plan(run.view(nil))
			if (refused == nil) != (refusedToo == nil) {
				t.Fatalf("seed %d: %q: %v in the preview, %v in the run", seed, story, refused, refusedToo)
			}
			certain := func(all []sdk.Change) []string {
				lines := told(&sdk.Plan{Changes: slices.DeleteFunc(slices.Clone(all), func(c sdk.Change) bool { return c.Conditional != "" })})
				for i := range lines { // what a planned unmask leaves is known after it
					lines[i] = strings.Replace(lines[i], "disabled→", unknownFile+"→", 1)
				}
				return lines
			}
			if p, r := certain(planned), certain(made); !slices.Equal(p, r) {
				t.Fatalf("seed %d: %q:\npreview %q\nrun     %q", seed, story, p, r)
			}
			for _, c := range planned {
				if c.Conditional == "" {
					prior = append(prior, c)
				}
			}
			run.do(made)
		}
	}
}

func TestConverges(t *testing.T) {
	for _, name := range []string{"a.service", "b.service", "c.service", "d.service"} {
		w := aWorld()
		for _, do := range []verb{start, stop} {
			p, err := planJob(w.view(nil), name, do)
			if err != nil || len(p.Changes) == 0 {
				t.Fatalf("%s %s: %v %v", do, name, p.Changes, err)
			}
			w.do(p.Changes)
			if again, err := planJob(w.view(nil), name, do); err != nil || len(again.Changes) != 0 || len(again.Kept) != 1 {
				t.Errorf("%s %s twice: %v %v", do, name, again.Changes, err)
			}
		}
	}
}

func TestItselfIsNotStopped(t *testing.T) {
	w := aWorld()
	w["a.service"].State, w["b.service"].State, w["c.service"].State = active, active, active
	for name, do := range map[string]verb{"a.service": stop, "b.service": restart, "c.service": stop, "d.service": start} {
		_, err := planJob(w.view(nil, "system.slice", "c.service"), name, do)
		var e *sdk.Error
		if !errors.As(err, &e) || !strings.Contains(e.Summary, "coppice itself runs in c.service") {
			t.Errorf("%s %s: %v", do, name, err)
		}
	}
}

func TestUnitName(t *testing.T) {
	x := func(s string) *string { return &s }
	for _, c := range []struct {
		unit     string
		instance *string
		want     string // or a part of the error
	}{
		{"postgresql", nil, "postgresql.service"},
		{"postgresql.service", nil, "postgresql.service"},
		{"sshd.socket", nil, "sshd.socket"},
		{"v1.2", nil, "v1.2.service"},
		{"/", nil, "-.mount"},
		{"/srv/my data", nil, `srv-my\x20data.mount`},
		{"/dev/disk/by-label/tank", nil, `dev-disk-by\x2dlabel-tank.device`},
		{"getty@tty1", nil, "getty@tty1.service"},
		{"backup@", x("/srv/a-b"), `backup@-srv-a\x2db.service`},
		{"backup@.timer", x("daily"), "backup@daily.timer"},
		{"backup@.service", nil, "backup@.service"},
		{"backup", x("x"), "write unit: backup@"},
		{"backup@", x(""), "an instance has a name"},
		{"/srv", x("x"), "a path has no instances"},
		{"@x", nil, "is no name of a unit"},
		{"a*", nil, "use for_each"},
		{"a@b c", nil, "unit: a@, instance: b c"},
		{"grün", nil, `'ü' can't be in one`},
		{strings.Repeat("x", 300), nil, "at most 255 bytes"},
	} {
		got, err := unitName(Target{Unit: c.unit, Instance: c.instance})
		if err != nil {
			d := sdk.Diagnose(err)[0]
			got = d.Summary + " " + d.Advice
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%q: %q, expected %q", c.unit, got, c.want)
		}
	}
}

func TestClosest(t *testing.T) {
	all := []string{"postgresql.service", "postgresql@.service", "nginx.service", "sshd.service", "ssh.service"}
	for name, want := range map[string]string{
		"postgres.service": "postgresql.service postgresql@.service", "postgersql.service": "postgresql.service postgresql@.service",
		"ngnix.service": "nginx.service", "ssdh.service": "ssh.service sshd.service", "apache2.service": "",
	} {
		if got := strings.Join(closest(name, all), " "); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestUnitsOf(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/coppice.service\n":                             "system.slice coppice.service",
		"0::/user.slice/user-0.slice/session-3.scope\n":                  "user.slice user-0.slice session-3.scope",
		"12:memory:/x.service\n1:name=systemd:/init.scope\n0::/\n":       "init.scope",
		"0::/system.slice/system-t.slice/_cpu.service/sub\nnonsense\n\n": "system.slice system-t.slice cpu.service",
	} {
		if got := strings.Join(unitsOf(text), " "); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestEnvironmentFile(t *testing.T) {
	got := environmentFile(map[string]string{"B": "x\ny", "A": "a\"b\\c`d$e'f"})
	if want := "A=\"a\\\"b\\\\c\\`d\\$e'f\"\nB=\"x\ny\"\n"; got != want {
		t.Errorf("%q", got)
	}
}
