//go:build unix && !linux

package vfs

// Datasync is Sync where the system has no fdatasync, or, as on macOS, only
// one that does not reach the platter.
func (f osFile) Datasync() error { return f.Sync() }
