package plugintest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
	"github.com/hbohlen/coppice/sdk/serve"
)

// serveBroken serves notes with one promise broken. Some can't be broken with the SDK, and are at the wire.
func serveBroken(mode string) {
	switch mode {
	case "mute":
		fmt.Fprintln(os.Stderr, "no config file, giving up")
		os.Exit(3)
	case "banner":
		fmt.Println("Welcome to notes 1.0!")
	}
	if !strings.HasPrefix(mode, "wire: ") {
		serve.Run(newNotes(mode))
	}
	limit := protocol.MaxMessage
	if mode == "wire: small" {
		limit = 4 << 20
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: protocol.Handshake,
		Plugins:         goplugin.PluginSet{protocol.Service: &adapter{server: &wire{Server: protocol.NewServer(newNotes("")), mode: mode}}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(limit), grpc.MaxSendMsgSize(limit))...)
		},
	})
	os.Exit(0)
}

type adapter struct {
	goplugin.NetRPCUnsupportedPlugin
	server protocol.PluginServer
}

func (a *adapter) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	protocol.RegisterPluginServer(s, a.server)
	return nil
}

func (a *adapter) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	panic("a plugin is no client")
}

// wire is a server that breaks a promise.
type wire struct {
	*protocol.Server
	mode  string
	calls atomic.Int64
	busy  atomic.Int64
}

func (w *wire) Describe(ctx context.Context, m *protocol.DescribeRequest) (*protocol.DescribeResponse, error) {
	reply, err := w.Server.Describe(ctx, m)
	if err != nil {
		return nil, err
	}
	text := string(reply.GetDescription())
	switch w.mode {
	case "wire: two answers":
		text = strings.Replace(text, "notes in files", fmt.Sprintf("notes in files, %d", w.calls.Add(1)), 1)
	case "wire: other version":
		text = strings.Replace(text, `"api":1`, `"api":7`, 1)
	case "wire: no effect":
		text = strings.Replace(text, `"effect":"read"`, `"effect":"perhaps"`, 1)
	case "wire: wrong schema":
		text = strings.Replace(text, `"type":"string"`, `"type":"strng"`, 1)
	case "wire: wrong default":
		text = strings.Replace(text, `"default":"plain"`, `"default":"plane"`, 1)
	case "wire: wrong pattern":
		text = strings.Replace(text, `"minLength":1`, `"pattern":"(?<!x)"`, 1)
	}
	return &protocol.DescribeResponse{Description: []byte(text)}, nil
}

func (w *wire) Plan(ctx context.Context, m *protocol.CallRequest) (*protocol.PlanResponse, error) {
	switch w.mode {
	case "wire: takes anything":
		if !json.Valid(m.GetInputs()) || !strings.HasPrefix(string(m.GetInputs()), "{") {
			m.Inputs = []byte(`{"path":"/tmp/x","text":"x"}`)
		}
	case "wire: one at a time": // the second call at a time gets what the first one has asked for
		if w.busy.Add(1) > 1 {
			m.Inputs = []byte(strings.ReplaceAll(string(m.GetInputs()), "hello", "hallo"))
		}
		time.Sleep(20 * time.Millisecond)
		defer w.busy.Add(-1)
	}
	reply, err := w.Server.Plan(ctx, m)
	if err != nil {
		return nil, err
	}
	switch w.mode {
	case "wire: RPC error":
		if len(reply.GetDiagnostics()) > 0 {
			return nil, status.Error(codes.InvalidArgument, string(reply.GetDiagnostics()))
		}
	case "wire: no path":
		var all []sdk.Diagnostic
		if len(reply.GetDiagnostics()) > 0 && json.Unmarshal(reply.GetDiagnostics(), &all) == nil {
			for i := range all {
				all[i].Path = ""
			}
			reply.Diagnostics, _ = json.Marshal(all)
		}
	case "wire: floating point":
		var v any
		if json.Unmarshal(reply.GetPlan().GetOutputs(), &v) == nil && reply.Plan != nil {
			reply.Plan.Outputs, _ = json.Marshal(v)
		}
	case "wire: misfit":
		if reply.Plan != nil {
			reply.Plan.Outputs = []byte(strings.Replace(string(reply.Plan.Outputs), `"bytes":5`, `"bytes":"five"`, 1))
		}
	}
	return reply, nil
}

func (w *wire) Apply(m *protocol.ApplyRequest, stream grpc.ServerStreamingServer[protocol.ApplyEvent]) error {
	switch w.mode {
	case "wire: two results":
		if err := w.Server.Apply(m, stream); err != nil {
			return err
		}
		return stream.Send(&protocol.ApplyEvent{Event: &protocol.ApplyEvent_Result{Result: &protocol.Result{}}})
	case "wire: no result":
		return nil
	}
	return w.Server.Apply(m, stream)
}

func (w *wire) Lock(ctx context.Context, m *protocol.LockRequest) (*protocol.LockResponse, error) {
	if w.mode == "wire: no Lock" {
		return nil, status.Error(codes.Unimplemented, "Lock")
	}
	return w.Server.Lock(ctx, m)
}
