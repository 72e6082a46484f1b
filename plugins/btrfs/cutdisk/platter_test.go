package cutdisk_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
)

const blocks = 64

// scribble does random things to the disks of a recorder. It returns what each disk has to hold behind each boundary, in
// whole.
func scribble(t *testing.T, random *rand.Rand, r *cutdisk.Recorder, before [][]byte) (after [][][]byte) {
	now := make([][]byte, len(before))
	for i, b := range before {
		now[i] = bytes.Clone(b)
	}
	keep := func() {
		var all [][]byte
		for _, b := range now {
			all = append(all, bytes.Clone(b))
		}
		after = append(after, all)
	}
	keep()
	for range 120 {
		i := random.IntN(len(now))
		d, size := r.Disk(i), len(now[i])
		at := random.IntN(size/512) * 512
		length := min(size-at, 512*(1+random.IntN(40)))
		switch n := random.IntN(10); {
		case n < 6:
			data := make([]byte, length)
			for j := range data {
				data[j] = byte(random.Uint32())
			}
			must(t, d.WriteAt(data, int64(at)))
			copy(now[i][at:], data)
		case n < 7:
			must(t, d.Clear(int64(at), int64(length)))
			clear(now[i][at : at+length])
		case n < 9:
			must(t, d.Flush())
		default:
			must(t, r.Mark("step one"))
		}
		keep()
		got := make([]byte, size)
		must(t, d.ReadAt(got, 0))
		if !bytes.Equal(got, now[i]) {
			t.Fatal("the disk does not hold what was written to it")
		}
	}
	return after
}

func images(t *testing.T, random *rand.Rand, dir string, n int) (paths []string, contents [][]byte) {
	for i := range n {
		data := make([]byte, blocks*cutdisk.Block)
		for b := range blocks {
			if random.IntN(2) == 0 {
				for j := range cutdisk.Block {
					data[b*cutdisk.Block+j] = byte(random.Uint32())
				}
			}
		}
		path := filepath.Join(dir, fmt.Sprintf("disk%d", i))
		must(t, os.WriteFile(path, data, 0o600))
		paths, contents = append(paths, path), append(contents, data)
	}
	return paths, contents
}

// recorded makes a tape of two disks.
func recorded(t *testing.T, seed uint64) (tape string, base []string, after [][][]byte) {
	random := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	base, contents := images(t, random, dir, 2)
	var live []*os.File
	for _, b := range base {
		image := file(t, b+".live")
		live = append(live, image)
		must(t, cutdisk.Copy(image, file(t, b)))
	}
	tape = filepath.Join(dir, "tape")
	r, err := cutdisk.NewRecorder(file(t, tape), 1<<30, live...)
	must(t, err)
	after = scribble(t, random, r, contents)
	must(t, r.Err())
	for i, b := range base {
		now, err := os.ReadFile(b)
		must(t, err)
		if !bytes.Equal(now, contents[i]) {
			t.Fatal("the base image was written to")
		}
	}
	return tape, base, after
}

func platter(t *testing.T, tape string, base []string) (*cutdisk.Tape, *cutdisk.Platter) {
	read, err := cutdisk.ReadTape(file(t, tape))
	must(t, err)
	var images []*os.File
	for _, b := range base {
		images = append(images, file(t, b))
	}
	p, err := cutdisk.NewPlatter(read, t.TempDir(), images...)
	must(t, err)
	closing(t, p)
	return read, p
}

func content(t *testing.T, p *cutdisk.Platter, disk int) []byte {
	data := make([]byte, blocks*cutdisk.Block)
	must(t, p.Disk(disk).ReadAt(data, 0))
	return data
}

// Behind every boundary, in any order of asking, the platter holds just what was written before it.
func TestEverythingReached(t *testing.T) {
	for seed := range uint64(4) {
		tape, base, after := recorded(t, seed)
		read, p := platter(t, tape, base)
		if read.Len() != len(after)-1 {
			t.Fatalf("%d records, expected %d", read.Len(), len(after)-1)
		}
		order := rand.New(rand.NewPCG(seed, 2)).Perm(len(after))
		for i := range 2 * len(after) {
			b := i
			if i >= len(after) {
				b = order[i-len(after)]
			}
			must(t, p.Cut(cutdisk.Cut{Boundary: b}))
			for d := range base {
				if !bytes.Equal(content(t, p, d), after[b][d]) {
					t.Fatalf("seed %d: disk %d is wrong behind boundary %d", seed, d, b)
				}
			}
			// What is written to a state is in it, and is not in the next.
			must(t, p.Disk(0).WriteAt([]byte("scratched"), 700))
			must(t, p.Disk(0).Clear(5000, 9000))
			got := content(t, p, 0)
			if string(got[700:709]) != "scratched" || !bytes.Equal(got[5000:14000], make([]byte, 9000)) ||
				!bytes.Equal(got[14000:], after[b][0][14000:]) || !bytes.Equal(got[709:5000], after[b][0][709:5000]) {
				t.Fatal("a state does not hold what was written to it")
			}
			if i%16 != 0 {
				continue
			}
			saved := filepath.Join(t.TempDir(), "saved")
			must(t, p.Save(0, saved))
			if file, err := os.ReadFile(saved); err != nil || !bytes.Equal(file, got) {
				t.Fatalf("the saved image differs: %v", err)
			}
		}
	}
}

// With a seed each block holds what it held at the last flush or what a later write put there, and the same seed makes
// the same state.
func TestSomeReached(t *testing.T) {
	differs := 0
	for seed := range uint64(8) {
		tape, base, after := recorded(t, seed)
		read, p := platter(t, tape, base)
		cuts := read.Cuts(cutdisk.Sample{Most: 20, Subset: 60, Seed: seed})
		if cuts.Subsets != 60 || cuts.Chosen != 20 || len(cuts.List) != 80 {
			t.Fatalf("%+v", cuts)
		}
		for _, c := range cuts.List {
			must(t, p.Cut(c))
			first := [][]byte{content(t, p, 0), content(t, p, 1)}
			must(t, p.Cut(c))
			for d := range base {
				got := content(t, p, d)
				if !bytes.Equal(got, first[d]) {
					t.Fatalf("cut %v makes two states", c)
				}
				if !bytes.Equal(got, after[c.Boundary][d]) {
					if c.Seed == 0 {
						t.Fatalf("cut %v is not all that was written", c)
					}
					differs++
				}
				possible(t, got, after, c.Boundary, d, read.FlushBefore(c.Boundary, d))
			}
		}
	}
	if differs < 100 {
		t.Errorf("only %d states differ from the whole", differs)
	}
}

// possible holds each 512 bytes against what has been there since the last flush.
func possible(t *testing.T, got []byte, after [][][]byte, boundary, disk, flushed int) {
	t.Helper()
	for at := 0; at < len(got); at += 512 {
		found := false
		for b := flushed; b <= boundary && !found; b++ {
			found = bytes.Equal(got[at:at+512], after[b][disk][at:at+512])
		}
		if !found {
			t.Fatalf("disk %d has never held what is at %d behind boundary %d", disk, at, boundary)
		}
	}
}

func TestCutsAreChosenBySeed(t *testing.T) {
	tape, _, _ := recorded(t, 1)
	read, err := cutdisk.ReadTape(file(t, tape))
	must(t, err)
	all := read.Cuts(cutdisk.Sample{})
	count := read.Count()
	if all.Boundaries != 1+count.Writes+count.Clears || all.Chosen != all.Boundaries || all.Subsets != 0 {
		t.Errorf("%+v of %+v", all, count)
	}
	a, b, c := read.Cuts(cutdisk.Sample{Most: 9, Subset: 5, Seed: 7}), read.Cuts(cutdisk.Sample{Most: 9, Subset: 5, Seed: 7}), read.Cuts(cutdisk.Sample{Most: 9, Subset: 5, Seed: 8})
	if fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(c) {
		t.Errorf("%v\n%v\n%v", a, b, c)
	}
	for i := range a.List[1:] {
		if a.List[i].Boundary > a.List[i+1].Boundary {
			t.Errorf("not ascending: %v", a.List)
		}
	}
}

// A recorder that was killed leaves a tape whose end is missing.
func TestTornTape(t *testing.T) {
	tape, base, after := recorded(t, 3)
	whole, err := os.ReadFile(tape)
	must(t, err)
	for _, cut := range []int{1, 23, 30, len(whole) / 2, len(whole) - 1} {
		torn := filepath.Join(t.TempDir(), "torn")
		must(t, os.WriteFile(torn, whole[:cut], 0o600))
		read, p := platter(t, torn, base)
		must(t, p.Cut(cutdisk.Cut{Boundary: read.Len()}))
		if !bytes.Equal(content(t, p, 1), after[read.Len()][1]) {
			t.Errorf("a tape of %d bytes makes a state that never was", cut)
		}
		if size := read.Size(read.Len()); size > int64(cut) {
			t.Errorf("the whole records of %d bytes have %d", cut, size)
		}
	}
	if read, _ := platter(t, tape, base); read.Size(read.Len()) != int64(len(whole)) || read.Size(0) != 0 {
		t.Errorf("a tape of %d bytes has %d", len(whole), read.Size(read.Len()))
	}
	bad := bytes.Clone(whole)
	bad[0] = 77
	path := filepath.Join(t.TempDir(), "bad")
	must(t, os.WriteFile(path, bad, 0o600))
	if _, err := cutdisk.ReadTape(file(t, path)); err == nil {
		t.Error("a tape with a record of no kind was read")
	}
}

func TestRecorderRefuses(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "odd")
	must(t, os.WriteFile(odd, make([]byte, 4095), 0o600))
	if _, err := cutdisk.NewRecorder(file(t, filepath.Join(dir, "tape")), 1<<20, file(t, odd)); err == nil {
		t.Error("an image of 4095 bytes was taken")
	}
	even := filepath.Join(dir, "even")
	must(t, os.WriteFile(even, make([]byte, 8192), 0o600))
	r, err := cutdisk.NewRecorder(file(t, filepath.Join(dir, "tape2")), 5000, file(t, even))
	must(t, err)
	must(t, r.Disk(0).WriteAt(make([]byte, 4096), 0))
	if err := r.Disk(0).WriteAt(make([]byte, 4096), 0); err == nil {
		t.Error("more than the limit was recorded")
	}
	if err := r.Disk(0).Flush(); err == nil {
		t.Error("a flush after a failure succeeded")
	}
	if r.Err() == nil {
		t.Error("the tape is whole")
	}
}
