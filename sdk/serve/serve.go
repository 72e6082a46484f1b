// Package serve makes a process of a plugin: the last line of its main.
//
//	func main() { serve.Run(&sdk.Plugin{Name: "hello", …}) }
//
// The process serves until its runner closes the connection or dies, lets
// running calls clean up, and exits. Signals are the runner's business: a
// SIGINT or SIGTERM that reaches the plugin is noted and not acted on, so that
// the runner's own `always` steps still find it alive. (They are caught, not
// ignored: an ignored signal would stay ignored in the plugin's children.)
package serve

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// drain is how long calls may take to clean up after the runner has gone.
const drain = 30 * time.Second

// Run serves the plugin and exits the process. It never returns.
func Run(p *sdk.Plugin) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for range signals {
		}
	}()
	server := protocol.NewServer(p)
	connections := &connections{gone: func() {
		finish(server)
		os.Exit(0)
	}}
	go connections.awaitFirst(os.Stdout)
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: protocol.Handshake,
		Plugins:         goplugin.PluginSet{protocol.Service: &protocol.GRPC{Impl: server}},
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr, JSONFormat: true}),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options,
				grpc.MaxRecvMsgSize(protocol.MaxMessage),
				grpc.MaxSendMsgSize(protocol.MaxMessage),
				grpc.StaticStreamWindowSize(protocol.Window),
				grpc.StaticConnWindowSize(protocol.Window),
				grpc.StatsHandler(connections))...)
		},
	})
	finish(server)
	os.Exit(0)
}

// finish stops the running calls and waits for their clean-up.
func finish(server *protocol.Server) {
	server.CancelAll()
	done := make(chan struct{})
	go func() {
		server.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drain):
	}
}

// connections calls gone when the last connection has ended: the runner was
// killed, and nobody else will end this process.
type connections struct {
	open  atomic.Int64
	begun atomic.Bool // there was one
	gone  func()
}

// awaitFirst ends the process when the runner dies before it has connected. Neither the runner's death nor a signal of our
// own tells of that where this process is the first of a PID namespace; but nobody reads its standard output any more.
func (c *connections) awaitFirst(stdout *os.File) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return
	}
	defer syscall.Close(poll)
	// Errors are always told, see epoll_ctl(2). What is no pipe can't be waited for, and has no reader to lose.
	if syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, int(stdout.Fd()), &syscall.EpollEvent{}) != nil {
		return
	}
	const look = 1000 // ms
	for events := make([]syscall.EpollEvent, 1); !c.begun.Load(); {
		if n, err := syscall.EpollWait(poll, events, look); err == nil && n > 0 && !c.begun.Load() {
			os.Exit(0)
		}
	}
}

func (c *connections) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		c.begun.Store(true)
		c.open.Add(1)
	case *stats.ConnEnd:
		if c.open.Add(-1) == 0 {
			go c.gone()
		}
	}
}

func (c *connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *connections) HandleRPC(context.Context, stats.RPCStats)                         {}
