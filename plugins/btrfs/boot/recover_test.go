package boot

import (
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// Subvolumes of the tables.
var (
	idOld, idNew, idFrom, idOther, idThird = kernel.UUID{1}, kernel.UUID{2}, kernel.UUID{3}, kernel.UUID{4}, kernel.UUID{5}
)

func subvolumeOf(id, parent kernel.UUID) presence {
	return presence{Found: true, Kind: kernel.EntrySubvolume, Subvolume: kernel.Subvolume{UUID: id, ParentUUID: parent, CTransID: 9}}
}

// things are all that can be at a path, for the tables.
var things = map[string]presence{
	"nothing":   {},
	"folder":    {Found: true, Kind: kernel.EntryDir},
	"link":      {Found: true, Kind: kernel.EntrySymlink},
	"old":       subvolumeOf(idOld, kernel.UUID{}),
	"new":       subvolumeOf(idNew, idFrom),
	"made":      subvolumeOf(idThird, idFrom), // from the blank, before its UUID was written down
	"empty":     {Found: true, Kind: kernel.EntrySubvolume, Subvolume: kernel.Subvolume{UUID: idThird}, Empty: true},
	"other":     subvolumeOf(idOther, kernel.UUID{}),
	"read-only": {Found: true, Kind: kernel.EntrySubvolume, Subvolume: kernel.Subvolume{UUID: idOther, ParentUUID: idFrom, ReadOnly: true}},
}

// Every combination of what can be at the place and in the archive, with the new one written down or not, and with an old one or
// without.
func TestJudge(t *testing.T) {
	// By what is at the place, then in the archive; "*" is all that is not named.
	type table map[string]map[string]verdict
	want := map[bool]table{ // whether the new one's UUID was written down
		false: {
			"nothing": {"*": missing}, "folder": {"*": conflict}, "link": {"*": conflict},
			"old":       {"*": undone},
			"new":       {"nothing": undone, "old": done, "made": undone, "new": undone, "*": conflict},
			"made":      {"nothing": undone, "old": done, "made": undone, "new": undone, "*": conflict},
			"empty":     {"nothing": undone, "old": done, "made": undone, "new": undone, "*": conflict},
			"other":     {"nothing": undone, "old": done, "made": undone, "new": undone, "*": conflict},
			"read-only": {"nothing": undone, "old": done, "made": undone, "new": undone, "*": conflict},
		},
		true: {
			"nothing": {"*": missing}, "folder": {"*": conflict}, "link": {"*": conflict},
			"old":       {"*": undone},
			"new":       {"*": done},
			"made":      {"old": done, "new": undone, "*": conflict},
			"empty":     {"old": done, "new": undone, "*": conflict},
			"other":     {"old": done, "new": undone, "*": conflict},
			"read-only": {"old": done, "new": undone, "*": conflict},
		},
	}
	n := 0
	for written, rows := range want {
		for at, row := range rows {
			for stage := range things {
				expected, named := row[stage]
				if !named {
					expected = row["*"]
				}
				m := intentMember{Place: "root", Archive: "a/root", Kind: clean, Old: idOld, From: idFrom}
				if written {
					m.New = idNew
				}
				if got := m.judge(things[at], things[stage]); got != expected {
					t.Errorf("new written down %v, %s at the place, %s in the archive: %s, expected %s", written, at, stage, got, expected)
				}
				n++
			}
		}
	}
	if n != 2*len(things)*len(things) {
		t.Errorf("%d of %d combinations", n, 2*len(things)*len(things))
	}
}

// All combinations of two places, with everything that may be of an intent: what comes out holds always.
func TestRecoverInvariants(t *testing.T) {
	n := 0
	for _, kind := range []kind{clean, copied, staged} {
		for _, old := range []kernel.UUID{{}, idOld} {
			for _, written := range []kernel.UUID{{}, idNew} {
				for _, from := range []kernel.UUID{{}, idFrom} {
					for at, a := range things {
						for stage, b := range things {
							for _, second := range []seen{{things["old"], things["new"]}, {things["new"], things["old"]}} {
								i := intent{Boot: "00000001-x", Sequence: 7, What: rolledBack, Root: "root", Places: []intentMember{
									{Place: "cache", Archive: "a/cache", Kind: clean, Old: idOld, New: idNew, From: idFrom},
									{Place: "root", Archive: "a/root", Kind: kind, Old: old, New: written, From: from}}}
								before := state{Schema: schema, Sequence: 7, Unconfirmed: 1, Intent: &i}
								after, all := recoverIntent(before, []seen{second, {a, b}})
								n++
								if before.Intent == nil || after.Intent != nil || len(all) != 2 || after.Sequence != 7 {
									t.Fatalf("%s, %s: %+v", at, stage, after)
								}
								whole := all[0].Verdict == done && all[1].Verdict == done
								if (after.Last.Boot == i.Boot) != whole || (after.Unconfirmed == 2) != whole {
									t.Errorf("%s at the place, %s in the archive, %v: the boot counts: %+v", at, stage, all, after)
								}
								for _, r := range all {
									// Only what this intent has made, and was never at a place, is ever called abandoned.
									if r.Abandon != nil && (r.Abandon.UUID == idOld || r.Abandon.UUID == idOther || r.Verdict == done || r.Verdict == conflict || !r.Abandon.Abandoned) {
										t.Errorf("%s at the place, %s in the archive: abandoned: %+v", at, stage, r)
									}
								}
								if all[1].Abandon != nil && kind == staged {
									t.Errorf("%s at the place, %s in the archive: what was asked for is abandoned", at, stage)
								}
							}
						}
					}
				}
			}
		}
	}
	tally.Add(t, "%d combinations", n)
}
