package vmtest

// Break kills qemu as a fault of its own would.
func (m *Machine) Break() {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.process.Kill() // it has just been started
}
