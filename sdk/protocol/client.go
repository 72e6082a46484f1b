package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/hbohlen/coppice/sdk"
)

// Client is the runner's end of the wire.
//
// Errors: a *DomainError is the plugin's refusal; a *BrokenError is a breach of
// the protocol; anything else is gRPC's, and means that the process is gone or
// broken.
type Client struct {
	rpc   PluginClient
	prior priorEncoder
}

var _ sdk.Contract = (*Client)(nil)

// NewClient speaks over conn.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: NewPluginClient(conn)}
}

// Describe asks what the plugin is.
func (c *Client) Describe(ctx context.Context) (*sdk.Description, error) {
	return c.DescribeSome(ctx, nil)
}

// DescribeSome is Describe for a caller who needs the schemas and descriptions of these actions only; without any, of all. Those of
// the others may be missing.
func (c *Client) DescribeSome(ctx context.Context, actions []string) (*sdk.Description, error) {
	m, err := c.rpc.Describe(ctx, &DescribeRequest{Actions: actions})
	if err != nil {
		return nil, err
	}
	var d sdk.Description
	if err := json.Unmarshal(m.GetDescription(), &d); err != nil {
		return nil, &BrokenError{Err: fmt.Errorf("cannot decode the description: %w", err)}
	}
	return &d, nil
}

// DescribeRaw is Describe for a caller who wants to see just what the plugin has said: JSON of sdk.Description.
func (c *Client) DescribeRaw(ctx context.Context) ([]byte, error) {
	m, err := c.rpc.Describe(ctx, &DescribeRequest{})
	return m.GetDescription(), err
}

// Resolve asks what the action would lock.
func (c *Client) Resolve(ctx context.Context, r sdk.Request) ([]sdk.Lock, error) {
	m, err := c.encodeRequest(r)
	if err != nil {
		return nil, err
	}
	reply, err := c.rpc.Resolve(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := decodeError(reply.GetDiagnostics()); err != nil {
		return nil, err
	}
	var locks []sdk.Lock
	return locks, unmarshal("locks", reply.GetLocks(), &locks)
}

// Lock asks for locks to be taken.
func (c *Client) Lock(ctx context.Context, keys []string) error {
	reply, err := c.rpc.Lock(ctx, &LockRequest{Keys: keys})
	if err != nil {
		return err
	}
	return decodeError(reply.GetDiagnostics())
}

// Unlock asks for locks to be let go of.
func (c *Client) Unlock(ctx context.Context, keys []string) error {
	reply, err := c.rpc.Unlock(ctx, &LockRequest{Keys: keys})
	if err != nil {
		return err
	}
	return decodeError(reply.GetDiagnostics())
}

// Plan asks for a decision.
func (c *Client) Plan(ctx context.Context, r sdk.Request) (*sdk.Plan, error) {
	m, err := c.encodeRequest(r)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.cancel(r.ID) })
	defer stop()
	reply, err := c.rpc.Plan(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := decodeError(reply.GetDiagnostics()); err != nil {
		return nil, err
	}
	if len(reply.GetPlan().GetDecision()) == 0 {
		return nil, &BrokenError{Err: errors.New("the plugin returned neither a plan nor an error")}
	}
	return decodePlan(reply.GetPlan())
}

// Apply asks for the plan to be done and returns its one result. emit gets the
// events in order, from this goroutine.
//
// When ctx ends, the stream goes with it at once, while the plugin still cleans
// up: to stop a running Apply, call Cancel and keep waiting.
func (c *Client) Apply(ctx context.Context, r sdk.Request, plan *sdk.Plan, emit func(sdk.Event)) (*sdk.Result, error) {
	call, err := c.encodeRequest(r)
	if err != nil {
		return nil, err
	}
	encoded, err := encodePlan(plan)
	if err != nil {
		return nil, err
	}
	stream, err := c.rpc.Apply(ctx, &ApplyRequest{Call: call, Plan: encoded})
	if err != nil {
		return nil, err
	}
	var result *sdk.Result
	var done []int
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if result != nil {
			return nil, &BrokenError{Err: errors.New("the plugin went on after its result")}
		}
		switch e := m.GetEvent().(type) {
		case *ApplyEvent_Progress:
			emit(sdk.Progress{Current: e.Progress.GetCurrent(), Total: e.Progress.GetTotal(),
				Unit: e.Progress.GetUnit(), Message: e.Progress.GetMessage()})
		case *ApplyEvent_Log:
			emit(sdk.Log{Level: e.Log.GetLevel(), Message: e.Log.GetMessage()})
		case *ApplyEvent_Done:
			for _, n := range e.Done.GetChanges() {
				i := int(n)
				if i < 0 || i >= len(plan.Changes) {
					return nil, &BrokenError{Err: fmt.Errorf("the plugin made change %d of a plan of %d", i, len(plan.Changes))}
				}
				done = append(done, i)
				emit(sdk.Done{Change: i})
			}
		case *ApplyEvent_Result:
			result = &sdk.Result{Outputs: e.Result.GetOutputs(), Summary: e.Result.GetSummary()}
			if err := unmarshal("diagnostics", e.Result.GetDiagnostics(), &result.Diagnostics); err != nil {
				return nil, err
			}
		}
	}
	if result == nil {
		return nil, &BrokenError{Err: errors.New("the plugin ended without a result")}
	}
	result.Done = done
	return result, nil
}

// Cancel asks the call with this id to stop. The call itself still ends with
// its result.
func (c *Client) Cancel(ctx context.Context, id string) error {
	_, err := c.rpc.Cancel(ctx, &CancelRequest{Id: id})
	return err
}

// cancel is for a call whose caller has gone: it must not wait for long.
func (c *Client) cancel(id string) {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_ = c.Cancel(ctx, id) // the call's own error tells more
}
