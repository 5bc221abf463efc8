package file

// IdleTime is idleTime.
const IdleTime = idleTime

// Kept is the memory for lines that o keeps, in octets.
func (o *Output) Kept() (octets int) {
	for _, f := range o.files {
		octets += cap(f.lines)
	}
	return octets
}

// NeverCan tells whether an error in opening a file is for its name alone.
func (o *Output) NeverCan(path string, err error) bool { return o.neverCan(&file{path: path}, err) }
