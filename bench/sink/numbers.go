package sink

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"

	"github.com/syslane/syslane/bench/load"
)

// Numbers checks that each of the numbered messages arrives once.
type Numbers struct {
	mu      sync.Mutex
	copies  []uint8
	strange int
}

// NewNumbers is for messages 0 to count-1.
func NewNumbers(count int) *Numbers { return &Numbers{copies: make([]uint8, count)} }

// look finds the numbers in octets that hold whole messages.
func (n *Numbers) look(octets []byte) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		at := bytes.Index(octets, []byte(load.Mark))
		if at < 0 {
			return
		}
		octets = octets[at+len(load.Mark):]
		number, err := strconv.Atoi(string(octets[:min(load.Digits, len(octets))]))
		if err != nil || number < 0 || number >= len(n.copies) {
			n.strange++
			continue
		}
		n.copies[number]++
	}
}

// Missing is how many messages have not arrived.
func (n *Numbers) Missing() (missing int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, copies := range n.copies {
		if copies == 0 {
			missing++
		}
	}
	return missing
}

// Check returns an error where a message is missing, is none of ours, or came twice
// without that being allowed.
func (n *Numbers) Check(repeats bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	missing, twice := 0, 0
	for _, copies := range n.copies {
		switch {
		case copies == 0:
			missing++
		case copies > 1:
			twice++
		}
	}
	if missing+n.strange > 0 || twice > 0 && !repeats {
		return fmt.Errorf("of %d messages %d are missing and %d came more than once; %d numbers are strange",
			len(n.copies), missing, twice, n.strange)
	}
	return nil
}
