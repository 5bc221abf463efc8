package outputs

// Probed is what a look at one server of an output has found.
type Probed struct {
	// Key is that of the configuration which names the server, as "targets[0]".
	Key string
	// Target is the server.
	Target string
	// Err tells why the output could not deliver there now; nil where it could.
	Err error
	// Warning says what the server does not do that it could, Note what it is.
	Warning, Note string
}
