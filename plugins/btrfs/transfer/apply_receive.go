package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/unit"
)

func applyReceive(ctx context.Context, h volume.Host, c *sdk.Call, in ReceiveInput, private receivePrivate) (ReceiveOutput, error) {
	var out ReceiveOutput
	if err := c.PlannedOutputs(&out); err != nil {
		return out, err
	}
	planned := out.Received
	out.Received = []ReceivedSnapshot{}
	f, err := volume.OpenPlanned(ctx, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer f.Close()
	p := &volumePlace{h: patient(h), f: f, folder: private.Into, log: c.Logf}
	if all := slices.Concat(private.Remnants, private.Records); len(all) > 0 {
		gone, err := p.clean(ctx, all)
		for _, i := range gone {
			if i < len(private.Remnants) {
				c.Done(i)
			}
		}
		if err != nil {
			c.Warn(volume.Warn("", "%v", err))
		}
	}
	all := account{c: c}
	for _, q := range private.Queues {
		for _, m := range q.Files {
			all.of++
			all.total += m.Bytes
		}
	}
	var errs []error
	for _, q := range private.Queues {
		for i, m := range q.Files {
			all.count++
			made, err := receiveFile(ctx, p, c, in, q, m, &all)
			if err != nil {
				errs = append(errs, volume.Explain("", fmt.Errorf("cannot receive %q of %q: %w", m.Stamp, q.Source, err)))
				break
			}
			one := planned[q.Output+i]
			one.UUID = sdk.UUID(made.UUID.String())
			out.Received = append(out.Received, one)
			if i == len(q.Files)-1 {
				out.Newest[q.Newest].UUID = one.UUID
			}
			c.Done(q.Change + i)
		}
		if ctx.Err() != nil {
			break
		}
	}
	out.Newest = slices.DeleteFunc(out.Newest, func(r ReceivedSnapshot) bool { return r.UUID == "" })
	if n := len(out.Received); n > 0 {
		c.Summarize("%d of %d received, %s", n, len(planned), unit.FormatSize(all.done))
	}
	return out, errors.Join(errs...)
}

// receiveFile makes a snapshot of one file.
func receiveFile(ctx context.Context, p *volumePlace, c *sdk.Call, in ReceiveInput, q fileQueue, m manifest, all *account) (kept, error) {
	path := filepath.Join(string(in.From), q.Folder, m.Stamp+streamSuffix)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return kept{}, err
	}
	defer f.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	meter := newMeter(ctx, f, 0, all.teller(fmt.Sprintf("%s (%d of %d)", path, all.count, all.of)))
	limit := time.Duration(in.StallTimeout)
	go meter.watch(ctx, limit, func() { stop(fmt.Errorf("%w: %v", errStalled, limit)) })
	made, err := p.keep(ctx, job{Run: c.Run, Source: q.Source, Folder: q.Folder, Stamp: m.Stamp, Origin: m.UUID, Parent: m.Parent,
		Untrusted: m.Untrusted, Content: m.Content}, &summed{from: meter, sum: sha256.New(), want: m})
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		err = context.Cause(ctx)
	}
	return made, err
}

// summed passes a file on whose sum has to be what its description says: its end is an error otherwise.
type summed struct {
	from  io.Reader
	sum   hash.Hash
	bytes int64
	want  manifest
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.sum.Write(p[:n])
	s.bytes += int64(n)
	if s.bytes == s.want.Bytes && hex.EncodeToString(s.sum.Sum(nil)) != s.want.SHA256 {
		return 0, errors.New("the file is damaged: it does not have the SHA-256 of its description")
	}
	if s.bytes > s.want.Bytes {
		return 0, errors.New("the file is longer than its description says")
	}
	return n, err
}
