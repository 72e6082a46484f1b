package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/hbohlen/coppice/runner/engine"
)

// signals stop a run: the first asks the running step to stop, the second leaves
// it less time for that, the third ends the program at once. The last sections
// run after the first and the second.
type signals struct {
	channel chan os.Signal
	done    chan struct{}
	cancels []context.CancelFunc
	mu      sync.Mutex
	first   os.Signal
}

func watch() *signals {
	s := &signals{channel: make(chan os.Signal, 3), done: make(chan struct{})}
	signal.Notify(s.channel, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return s
}

// reactions are what is called at the first, the second and the third signal.
type reactions struct {
	stopped func(os.Signal)
	hurry   func()
	abandon func()
}

// contexts are that of the steps and that of the last sections.
func (s *signals) contexts(parent context.Context, r reactions) (ctx, last context.Context) {
	ctx, stopSteps := context.WithCancel(parent)
	last, stopLast := context.WithCancel(parent)
	s.cancels = []context.CancelFunc{stopSteps, stopLast}
	go func() {
		for n := 1; ; n++ {
			select {
			case <-s.done:
				return
			case got := <-s.channel:
				s.mu.Lock()
				if s.first == nil {
					s.first = got
				}
				s.mu.Unlock()
				switch n {
				case 1:
					stopSteps()
					go r.stopped(got) // it can wait for a reader, and the next signal must not
				case 2:
					r.hurry()
				default:
					r.abandon()
					// The plugins go with this process: see package host.
					os.Exit(runCode(&engine.Report{Finished: engine.RunFinished{Status: engine.RunCancelled}}, s.received()))
				}
			}
		}
	}()
	return ctx, last
}

func (s *signals) received() os.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

func (s *signals) stop() {
	signal.Stop(s.channel)
	close(s.done)
	for _, cancel := range s.cancels {
		cancel()
	}
}
