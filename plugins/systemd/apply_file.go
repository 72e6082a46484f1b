package systemd

import (
	"context"

	"github.com/hbohlen/coppice/sdk"
)

func applyFile(ctx context.Context, c *sdk.Call, private filePrivate, runtime bool) (FileOutput, error) {
	out := private.Out
	if private.Verb == "" {
		return out, nil
	}
	m, err := connect(ctx)
	if err != nil {
		return out, err
	}
	defer m.Close()
	now, err := planFile(observe(ctx, m, nil), private.Unit, private.Verb, runtime)
	if err != nil {
		return out, err
	}
	out.Enabled = now.Outputs.Enabled
	if now.Private.Verb == "" {
		return out, nil // it has been done
	}
	what := string(private.Verb) + " " + private.Unit
	// What was begun is brought to its end: links without the manager knowing of them help nobody.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), answer)
	defer stop()
	files, changed := []string{private.Unit}, 0
	switch private.Verb {
	case enable:
		installs, links, err := m.EnableUnitFilesContext(ctx, files, runtime, false)
		if err != nil {
			return out, explain(what, err)
		}
		if !installs {
			return out, refuse("start it, or let a unit that is enabled want it", "%s can't be enabled: its file has no [Install] section that says when to start it", private.Unit)
		}
		changed = len(links)
	case mask:
		links, err := m.MaskUnitFilesContext(ctx, files, runtime, false)
		if err != nil {
			return out, explain(what, err)
		}
		changed = len(links)
	case disable:
		for _, level := range []bool{false, true} {
			links, err := m.DisableUnitFilesContext(ctx, files, level)
			if err != nil {
				return out, explain(what, err)
			}
			changed += len(links)
		}
	case unmask:
		for _, level := range []bool{false, true} {
			links, err := m.UnmaskUnitFilesContext(ctx, files, level)
			if err != nil {
				return out, explain(what, err)
			}
			changed += len(links)
		}
	}
	if changed > 0 {
		if err := m.ReloadContext(ctx); err != nil {
			return out, explain("let systemd read its unit files after "+what, err)
		}
		c.Done(0)
	}
	after, err := m.fileState(ctx, private.Unit)
	if err == nil && after != "" {
		out.Enabled = after
	}
	return out, nil
}
