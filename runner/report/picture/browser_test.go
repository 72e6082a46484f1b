package picture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// browser is headless Chromium, and a server of the pages that it looks at, which notes what is asked of it.
type browser struct {
	t       *testing.T
	program string
	server  *httptest.Server
	mu      sync.Mutex
	asked   []string
}

// around frames a page at several widths and writes down, when all are there, what came of them.
const around = `<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><body>%s<pre id="seen"></pre><script>
const clipped = e => { const s = e.closest('.scroll'); return s && s !== e }
function look(frame) {
	const w = frame.contentWindow, d = w.document, style = (e, p) => w.getComputedStyle(e)[p]
	d.querySelectorAll('details').forEach(e => e.open = true)
	const out = [...d.querySelectorAll('body *')].filter(e => !clipped(e)).filter(e => {
		const r = e.getBoundingClientRect()
		return r.right > w.innerWidth + 0.5 || r.left < -0.5
	}).map(e => e.outerHTML.slice(0, 200))
	const cut = [...d.querySelectorAll('.label,.figure,h1,h2,p,li,summary')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 200))
	const pictures = [...d.querySelectorAll('svg[role=img]')]
	const names = pictures.map(e => e.getAttribute('aria-labelledby').split(' ').map(id => d.getElementById(id)?.textContent || '').join(': '))
	const texts = ['body', '.sub', '.label', '.figure', '.legend', 'summary', '.warning .level', '.error .level', '.attention code', '.ticks span', '.scale', 'footer', 'td', 'thead th']
	return {
		width: w.innerWidth, needed: d.documentElement.scrollWidth, height: d.documentElement.scrollHeight, out, cut, title: d.title,
		foreign: d.querySelectorAll('script,img,iframe,object,embed').length,
		loaded: w.performance.getEntriesByType('resource').map(e => e.name),
		pictures: pictures.length, names,
		flat: pictures.filter(e => { const r = e.getBoundingClientRect(); return r.width < 50 || r.height < 10 }).length,
		painted: [...d.querySelectorAll('svg[role=img] rect, svg[role=img] circle')].filter(e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 }).length,
		tables: d.querySelectorAll('table').length, rows: d.querySelectorAll('tbody tr').length,
		ticks: [...d.querySelectorAll('.ticks .picture')].flatMap(row => {
			const all = [...row.children].map(e => e.getBoundingClientRect()).filter(r => r.width), own = row.getBoundingClientRect()
			return all.filter((r, i) => r.left < own.left - 1 || r.right > own.right + 1 || i > 0 && r.left < all[i - 1].right + 2).map(r => [own.left, r.left, r.right, own.right].join(' '))
		}),
		stacked: [...d.querySelectorAll('.row:not(.ticks)')].every(e => e.children[1].getBoundingClientRect().top >= e.children[0].getBoundingClientRect().bottom - 1),
		back: style(d.body, 'backgroundColor'), card: d.querySelector('section') ? style(d.querySelector('section'), 'backgroundColor') : '',
		texts: texts.flatMap(q => { const e = d.querySelector(q); return e ? [[q, style(e, 'color')]] : [] }),
		smallest: Math.min(...[...d.querySelectorAll('body *')].filter(e => e.childNodes.length && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !(e instanceof w.SVGElement)).map(e => parseFloat(style(e, 'fontSize')))),
	}
}
addEventListener('load', () => { document.getElementById('seen').textContent = JSON.stringify([...document.querySelectorAll('iframe')].map(look)) })
</script>`

// seen is what the browser has made of a page in a window.
type seen struct {
	Width, Needed, Height int
	Out, Cut              []string // elements that the window, or their own box, is too narrow for
	Title                 string
	Ticks                 []string // labels of axes that are cut off, or over each other
	Foreign               int      // elements that could load or run something
	Loaded                []string // by the page
	Pictures, Flat        int
	Names                 []string // what a screen reader says of a picture
	Painted               int      // shapes that are to be seen
	Tables, Rows          int
	Stacked               bool // labels stand above pictures
	Back, Card            string
	Texts                 [][2]string // kinds of text, and their colours
	Smallest              float64     // letters, in pixels
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{t: t}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			b.program = program
			break
		}
	}
	if b.program == "" {
		need.Missing(t, "chromium", "needs chromium")
	}
	b.server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.server.Close)
	return b
}

// serve has each report as a page, and several in frames of the widths that are asked for: /around?server:320,old:1280.
func (b *browser) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.asked = append(b.asked, r.Method+" "+r.URL.Path)
	b.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch make := reports[name]; {
	case kind == "page" && make != nil:
		fmt.Fprint(w, picture.Page(make(), time.UTC))
	case kind == "around":
		var frames strings.Builder
		for _, frame := range strings.Split(r.URL.RawQuery, ",") {
			name, width, _ := strings.Cut(frame, ":")
			fmt.Fprintf(&frames, `<iframe src="/page/%s" width="%s" height="3000" style="border:0"></iframe>`, name, width)
		}
		fmt.Fprintf(w, around, frames.String())
	default:
		http.NotFound(w, r)
	}
}

// requests are what was asked of the server since the last look.
func (b *browser) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

// run starts the browser, which can reach nothing but the server.
func (b *browser) run(dark bool, args ...string) []byte {
	b.t.Helper()
	scheme := "1"
	if dark {
		scheme = "0"
	}
	ctx, stop := context.WithTimeout(b.t.Context(), 10*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, b.program, append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
		"--disable-component-update", "--no-first-run", "--disable-dev-shm-usage", "--user-data-dir=" + b.t.TempDir(),
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--blink-settings=preferredColorScheme=" + scheme}, args...)...)
	c.Env = append(os.Environ(), "HOME="+b.t.TempDir())
	c.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", b.program, err, stderr.String())
	}
	return out
}

// look opens reports in windows of some widths, "server:320".
func (b *browser) look(dark bool, windows ...string) []seen {
	b.t.Helper()
	b.requests()
	dom := b.run(dark, "--window-size=1600,1200", "--dump-dom", b.server.URL+"/around?"+strings.Join(windows, ","))
	text := regexp.MustCompile(`(?s)<pre id="seen">(.*?)</pre>`).FindSubmatch(dom)
	var all []seen
	if text == nil || json.Unmarshal([]byte(html.UnescapeString(string(text[1]))), &all) != nil || len(all) != len(windows) {
		b.t.Fatalf("the browser has seen nothing:\n%.2000s", dom)
	}
	want := []string{"GET /around"}
	for _, w := range windows {
		name, _, _ := strings.Cut(w, ":")
		want = append(want, "GET /page/"+name)
	}
	slices.Sort(want)
	asked := b.requests()
	slices.Sort(asked)
	if !slices.Equal(asked, want) {
		b.t.Errorf("the browser has asked for %q", asked)
	}
	return all
}

// TestBrowser opens pages in a browser, wide and narrow, light and dark, and asks it what came of them.
func TestBrowser(t *testing.T) {
	b := newBrowser(t)
	least := map[string]struct{ pictures, painted, tables, rows int }{
		"server": {10, 800, 6, 100}, "hostile": {6, 10, 5, 10}, "empty": {1, 1, 0, 0}, "old": {10, 600, 6, 100},
	}
	for _, dark := range []bool{false, true} {
		var windows []string
		for name := range least {
			for _, width := range []string{"320", "375", "800", "1280"} {
				windows = append(windows, name+":"+width)
			}
		}
		for i, s := range b.look(dark, windows...) {
			name, _, _ := strings.Cut(windows[i], ":")
			least := least[name]
			at := fmt.Sprintf("%s at %d, dark %v", name, s.Width, dark)
			if s.Needed > s.Width || len(s.Out) > 0 {
				t.Errorf("%s: it is %d wide: %q", at, s.Needed, s.Out)
			}
			if len(s.Cut) > 0 {
				t.Errorf("%s: text that does not fit: %q", at, s.Cut)
			}
			if len(s.Ticks) > 0 {
				t.Errorf("%s: labels of axes have no room: %q", at, s.Ticks)
			}
			if s.Foreign > 0 || len(s.Loaded) > 0 || !strings.Contains(s.Title, "storage until 2026-11-26 12:20") {
				t.Errorf("%s: %d elements that load or run something, loaded %q, title %q", at, s.Foreign, s.Loaded, s.Title)
			}
			if s.Pictures < least.pictures || s.Flat > 0 || s.Painted < least.painted {
				t.Errorf("%s: %d pictures, %d of them flat, %d shapes", at, s.Pictures, s.Flat, s.Painted)
			}
			for _, n := range s.Names {
				if title, description, _ := strings.Cut(n, ": "); len(title) < 5 || len(description) < 10 {
					t.Errorf("%s: a picture is called %q", at, n)
				}
			}
			if s.Tables < least.tables || s.Rows < least.rows {
				t.Errorf("%s: %d tables with %d rows", at, s.Tables, s.Rows)
			}
			if s.Pictures > 1 && s.Stacked != (s.Width <= 768) {
				t.Errorf("%s: labels stand above their pictures: %v", at, s.Stacked)
			}
			if s.Smallest < 10 {
				t.Errorf("%s: letters of %v pixels", at, s.Smallest)
			}
			if light := luminance(t, s.Back); light < 0.5 != dark {
				t.Errorf("%s: its background is %s", at, s.Back)
			}
			for _, text := range s.Texts {
				back := s.Card
				if text[0] == "body" || text[0] == "footer" {
					back = s.Back
				}
				// https://www.w3.org/TR/WCAG21/#contrast-minimum
				if got := contrast(luminance(t, text[1]), luminance(t, back)); got < 4.5 {
					t.Errorf("%s: the contrast of %s is %.1f (%s on %s)", at, text[0], got, text[1], back)
				}
			}
		}
	}
}

// TestScreenshots looks at what the browser has painted. COPPICE_KEEP keeps the pictures.
func TestScreenshots(t *testing.T) {
	b := newBrowser(t)
	dir := t.TempDir()
	if keep := os.Getenv("COPPICE_KEEP"); keep != "" {
		dir = keep
	}
	for _, c := range []struct {
		name string
		dark bool
		want map[string]color.RGBA // what must be there
	}{
		{"light", false, map[string]color.RGBA{"background": {0xf6, 0xf7, 0xf5, 0xff}, "runs": {0x3d, 0x8b, 0x5f, 0xff}, "space": {0x2f, 0x6f, 0x9f, 0xff}, "failures": {0xc8, 0x40, 0x2f, 0xff}}},
		{"dark", true, map[string]color.RGBA{"background": {0x12, 0x15, 0x12, 0xff}, "runs": {0x58, 0xb5, 0x85, 0xff}, "space": {0x6d, 0xb3, 0xe2, 0xff}, "failures": {0xf0, 0x70, 0x5e, 0xff}}},
	} {
		file := filepath.Join(dir, c.name+".png")
		b.run(c.dark, "--window-size=1100,1700", "--screenshot="+file, b.server.URL+"/page/server")
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		shot, err := png.Decode(f)
		_ = f.Close() // only read
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range c.want {
			if n := count(shot, want); n < 100 {
				t.Errorf("%s: %d pixels of the colour of %s", c.name, n, what)
			}
		}
	}
}

func count(shot image.Image, want color.RGBA) int {
	n := 0
	for y := range shot.Bounds().Dy() {
		for x := range shot.Bounds().Dx() {
			if color.RGBAModel.Convert(shot.At(x, y)) == want {
				n++
			}
		}
	}
	return n
}

// luminance is the relative luminance of a colour as a browser writes it, "rgb(1, 2, 3)".
func luminance(t *testing.T, text string) float64 {
	t.Helper()
	var c [3]float64
	if _, err := fmt.Sscanf(text, "rgb(%g, %g, %g)", &c[0], &c[1], &c[2]); err != nil {
		t.Fatalf("colour %q: %v", text, err)
	}
	for i := range c {
		if c[i] /= 255; c[i] <= 0.04045 {
			c[i] /= 12.92
		} else {
			c[i] = math.Pow((c[i]+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }
