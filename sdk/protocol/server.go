package protocol

import (
	"context"
	"encoding/json"
	"sync"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hbohlen/coppice/sdk"
)

// GRPC is go-plugin's adapter. Impl is set on the plugin's side only.
type GRPC struct {
	goplugin.NetRPCUnsupportedPlugin
	Impl *Server
}

// GRPCServer registers the service.
func (g *GRPC) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	RegisterPluginServer(s, g.Impl)
	return nil
}

// GRPCClient makes a *Client.
func (g *GRPC) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewClient(conn), nil
}

// Server serves a plugin over the wire.
type Server struct {
	UnimplementedPluginServer
	plugin sdk.Contract

	mu      sync.Mutex
	cancels map[string]context.CancelFunc
	running sync.WaitGroup
	prior   priorDecoder
}

// NewServer serves p.
func NewServer(p sdk.Contract) *Server {
	return &Server{plugin: p, cancels: map[string]context.CancelFunc{}}
}

// Wait returns when no call is running.
func (s *Server) Wait() { s.running.Wait() }

// CancelAll asks every running call to stop.
func (s *Server) CancelAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.cancels {
		cancel()
	}
}

// begin makes the context of a call, which Cancel and the end of the connection
// stop. end must be called.
func (s *Server) begin(ctx context.Context, id string) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.running.Add(1)
	s.mu.Lock()
	s.cancels[id] = cancel
	s.mu.Unlock()
	return ctx, func() {
		s.mu.Lock()
		delete(s.cancels, id)
		s.mu.Unlock()
		cancel()
		s.running.Done()
	}
}

// Cancel stops the call with this id, if it runs.
func (s *Server) Cancel(_ context.Context, m *CancelRequest) (*CancelResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.cancels[m.GetId()]; cancel != nil {
		cancel()
	}
	return &CancelResponse{}, nil
}

// Describe says what the plugin is.
func (s *Server) Describe(ctx context.Context, m *DescribeRequest) (*DescribeResponse, error) {
	d, err := describe(ctx, s.plugin, m.GetActions())
	if err != nil {
		return nil, broken(err)
	}
	data, err := json.Marshal(d)
	if err != nil {
		return nil, broken(err)
	}
	return &DescribeResponse{Description: data}, nil
}

// describe leaves it to a plugin that can to say less than all.
func describe(ctx context.Context, p sdk.Contract, actions []string) (*sdk.Description, error) {
	if p, can := p.(interface {
		DescribeSome(context.Context, []string) (*sdk.Description, error)
	}); can {
		return p.DescribeSome(ctx, actions)
	}
	return p.Describe(ctx)
}

// Resolve names the locks.
func (s *Server) Resolve(ctx context.Context, m *CallRequest) (*ResolveResponse, error) {
	r, err := s.decodeRequest(m)
	if err != nil {
		return nil, broken(err)
	}
	ctx, end := s.begin(ctx, r.ID)
	defer end()
	locks, err := s.plugin.Resolve(ctx, r)
	if err != nil {
		return &ResolveResponse{Diagnostics: encodeDiagnostics(sdk.Diagnose(err))}, nil
	}
	data, err := json.Marshal(locks)
	if err != nil {
		return nil, broken(err)
	}
	return &ResolveResponse{Locks: data}, nil
}

// Lock takes locks.
func (s *Server) Lock(ctx context.Context, m *LockRequest) (*LockResponse, error) {
	return &LockResponse{Diagnostics: encodeDiagnostics(sdk.Diagnose(s.plugin.Lock(ctx, m.GetKeys())))}, nil
}

// Unlock lets go of locks.
func (s *Server) Unlock(ctx context.Context, m *LockRequest) (*LockResponse, error) {
	return &LockResponse{Diagnostics: encodeDiagnostics(sdk.Diagnose(s.plugin.Unlock(ctx, m.GetKeys())))}, nil
}

// Plan decides.
func (s *Server) Plan(ctx context.Context, m *CallRequest) (*PlanResponse, error) {
	r, err := s.decodeRequest(m)
	if err != nil {
		return nil, broken(err)
	}
	ctx, end := s.begin(ctx, r.ID)
	defer end()
	plan, err := s.plugin.Plan(ctx, r)
	if err != nil {
		return &PlanResponse{Diagnostics: encodeDiagnostics(sdk.Diagnose(err))}, nil
	}
	encoded, err := encodePlan(plan)
	if err != nil {
		return nil, broken(err)
	}
	return &PlanResponse{Plan: encoded}, nil
}

// Apply does what the plan says.
func (s *Server) Apply(m *ApplyRequest, stream grpc.ServerStreamingServer[ApplyEvent]) error {
	r, err := s.decodeRequest(m.GetCall())
	if err != nil {
		return broken(err)
	}
	plan, err := decodePlan(m.GetPlan())
	if err != nil {
		return broken(err)
	}
	ctx, end := s.begin(stream.Context(), r.ID)
	defer end()
	out := &outbox{stream: stream}
	result, err := s.plugin.Apply(ctx, r, plan, out.put)
	if err := out.close(); err != nil {
		return err
	}
	if err != nil {
		result = &sdk.Result{Diagnostics: sdk.Diagnose(err)}
	}
	return stream.Send(&ApplyEvent{Event: &ApplyEvent_Result{Result: &Result{
		Outputs: result.Outputs, Diagnostics: encodeDiagnostics(result.Diagnostics), Summary: valid(result.Summary)}}})
}

func broken(err error) error { return status.Error(codes.Internal, err.Error()) }
