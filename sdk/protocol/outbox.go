package protocol

import (
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/hbohlen/coppice/sdk"
)

// gather is how long news of changes that were made may wait for more of it: a
// message for each of a thousand deletions would cost as much as the deletions.
const gather = 20 * time.Millisecond

// outbox sends the events of one Apply in their order.
type outbox struct {
	stream grpc.ServerStreamingServer[ApplyEvent]

	mu    sync.Mutex
	done  []int32 // made, and not told yet
	timer *time.Timer
	err   error // the first of sending: nothing is sent after it
}

func (o *outbox) put(e sdk.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case sdk.Done:
		o.done = append(o.done, int32(e.Change))
		if o.timer == nil {
			o.timer = time.AfterFunc(gather, func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.flush()
			})
		}
	case sdk.Progress:
		o.flush()
		o.send(&ApplyEvent{Event: &ApplyEvent_Progress{Progress: &Progress{
			Current: e.Current, Total: e.Total, Unit: valid(e.Unit), Message: valid(e.Message)}}})
	case sdk.Log:
		o.flush()
		o.send(&ApplyEvent{Event: &ApplyEvent_Log{Log: &Log{Level: valid(e.Level), Message: valid(e.Message)}}})
	default:
		panic("protocol: unknown event")
	}
}

// flush tells what has been gathered. mu is held.
func (o *outbox) flush() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if len(o.done) > 0 {
		o.send(&ApplyEvent{Event: &ApplyEvent_Done{Done: &Done{Changes: o.done}}})
		o.done = nil
	}
}

func (o *outbox) send(m *ApplyEvent) {
	if o.err == nil {
		o.err = o.stream.Send(m)
	}
}

// close tells the rest and returns the first error of sending.
func (o *outbox) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
	return o.err
}

// valid is text that protobuf accepts as a string.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
