package subvolume

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// otherTool says which other tool keeps snapshots where those of the source are, unless it is meant to.
func (p *pruner) otherTool(s pruneSource) string {
	if p.in.SharedWith == "others" {
		return ""
	}
	for _, folder := range []string{p.into, s.folder} {
		if p.m.folders[folder].snapper {
			return fmt.Sprintf("snapper keeps snapshots in the folder %q", folder)
		}
		for _, sub := range p.m.subvolumes {
			if volume.ParentOf(sub.Path) == folder && !sub.planned && sub.unmanaged != "" && btrbkName(sub.Name()) {
				return fmt.Sprintf("btrbk keeps snapshots in the folder %q", folder)
			}
		}
	}
	return ""
}

// shownForeign is how many foreign things a warning names at most.
const shownForeign = 5

// foreign reports what is in the folder of a source and is no managed snapshot.
func (p *pruner) foreign(s pruneSource) {
	type stranger struct {
		path, what, id string
		subvolume      bool
	}
	var all []stranger
	for _, sub := range p.m.subvolumes {
		if volume.ParentOf(sub.Path) == s.folder && sub.unmanaged != "" {
			all = append(all, stranger{sub.Path, sub.unmanaged, sub.id(), true})
		}
	}
	for _, e := range p.m.folders[s.folder].entries {
		what := "it is a " + e.Type.String()
		if e.Type == kernel.EntryDir {
			what = "it is a plain directory"
		}
		all = append(all, stranger{s.folder + "/" + e.Name, what, "", false})
	}
	if len(all) == 0 {
		return
	}
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	var shown []string
	for i, f := range all {
		resource := p.m.resource(f.path, f.id)
		if !f.subvolume {
			resource.Type = "btrfs.entry"
		}
		p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: resource, Reason: "foreign: " + f.what})
		p.planned.Outputs.Foreign = append(p.planned.Outputs.Foreign, f.path)
		if i < shownForeign {
			shown = append(shown, fmt.Sprintf("%q (%s)", f.path[len(s.folder)+1:], f.what))
		}
	}
	if p.in.SharedWith == "others" {
		return
	}
	list := strings.Join(shown, ", ")
	if len(all) > len(shown) {
		list += fmt.Sprintf(" and %d more", len(all)-len(shown))
	}
	p.planned.Diagnostics = append(p.planned.Diagnostics,
		volume.Warn("", "left alone in %q, as no snapshots that coppice may expire: %s", s.folder, list))
}

// grouped collects warnings that are the same for several sources.
type grouped struct {
	texts   []string
	sources map[string][]string
	advice  map[string]string
}

func (g *grouped) add(text, source, advice string) {
	if g.sources == nil {
		g.sources, g.advice = map[string][]string{}, map[string]string{}
	}
	if g.sources[text] == nil {
		g.texts = append(g.texts, text)
	}
	g.sources[text] = append(g.sources[text], source)
	g.advice[text] = advice
}

func (g *grouped) diagnostics(c clock) []sdk.Diagnostic {
	var all []sdk.Diagnostic
	for _, text := range g.texts {
		advice := g.advice[text]
		if advice == "" && !c.Trusted && c.Why != "" && strings.Contains(text, c.Why) {
			advice = "wait until NTP has set the clock; if the hardware clock is right without, set clock: rtc"
		}
		all = append(all, volume.Warn(advice, "%s: %s", quoted(g.sources[text]), text))
	}
	return all
}
