package report

import (
	"sync"
	"time"
)

// redrawEvery is how often a last line is redrawn at most.
const redrawEvery = 100 * time.Millisecond

// clearLine goes to the start of the line and erases it (ECMA-48 EL).
const clearLine = "\r\x1b[K"

// lastLine redraws one line at the end of the output, from a goroutine of its own, until it is stopped. The mutex
// guards the sink and whatever draw reads.
type lastLine struct {
	mu    sync.Mutex
	out   *sink
	draw  func() (text string, ok bool) // called with mu held; a line without its break
	drawn bool
	once  sync.Once
	stop  chan struct{}
	done  chan struct{}
}

// start begins redrawing; every is for tests.
func (l *lastLine) start(every time.Duration) {
	l.stop, l.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(l.done)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-t.C:
				l.redraw()
			}
		}
	}()
}

func (l *lastLine) redraw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out.err != nil {
		return
	}
	text, ok := l.draw()
	if !ok {
		l.clear()
		return
	}
	l.out.write("\r" + text + "\x1b[K")
	l.drawn = true
}

// print puts text above the line; mu is held. The line comes back with the next redraw.
func (l *lastLine) print(text string) {
	if text == "" {
		return
	}
	if l.drawn {
		text = clearLine + text
		l.drawn = false
	}
	l.out.write(text)
}

// clear removes the line; mu is held.
func (l *lastLine) clear() {
	if l.drawn {
		l.out.write(clearLine)
		l.drawn = false
	}
}

// end stops redrawing; mu is not held. It may be called again, and does nothing if start was not.
func (l *lastLine) end() {
	if l.stop == nil {
		return
	}
	l.once.Do(func() { close(l.stop) })
	<-l.done
}
