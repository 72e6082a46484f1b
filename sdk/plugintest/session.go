package plugintest

import (
	"context"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// session is one plugin that answers.
type session struct {
	client *protocol.Client
	end    func()
}

// inProcess serves a plugin over a pipe.
func inProcess(p sdk.Contract) (*session, error) {
	l := &pipes{ready: make(chan net.Conn), done: make(chan struct{})}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(protocol.MaxMessage), grpc.MaxSendMsgSize(protocol.MaxMessage))
	protocol.RegisterPluginServer(server, protocol.NewServer(p))
	go func() { _ = server.Serve(l) }() // until the listener is closed
	conn, err := grpc.NewClient("passthrough:plugin", append(dialOptions[:len(dialOptions):len(dialOptions)],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.dial(ctx) }))...)
	if err != nil {
		return nil, err
	}
	return &session{client: protocol.NewClient(conn), end: func() {
		conn.Close()
		server.Stop()
	}}, nil
}

// pipes is a listener whose connections never leave this process.
type pipes struct {
	ready chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.ready <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.ready:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: os.DevNull, Net: "unix"} }
