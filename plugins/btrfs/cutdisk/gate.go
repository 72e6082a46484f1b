package cutdisk

import "sync"

// gate keeps requests of the kernel and of the process that started the server apart.
type gate struct{ sync.Mutex }

// gated is a device behind a gate.
type gated struct {
	Device
	*gate
}

func (g *gated) ReadAt(p []byte, at int64) error {
	g.Lock()
	defer g.Unlock()
	return g.Device.ReadAt(p, at)
}

func (g *gated) WriteAt(p []byte, at int64) error {
	g.Lock()
	defer g.Unlock()
	return g.Device.WriteAt(p, at)
}

func (g *gated) Clear(at, length int64) error {
	g.Lock()
	defer g.Unlock()
	return g.Device.Clear(at, length)
}

func (g *gated) Flush() error {
	g.Lock()
	defer g.Unlock()
	return g.Device.Flush()
}
