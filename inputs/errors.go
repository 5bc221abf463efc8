package inputs

import "errors"

// ErrClosed is returned by a Sink that has been shut down.
var ErrClosed = errors.New("sink is closed")
