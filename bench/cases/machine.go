package cases

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is what all CPUs together have done, in ticks, and this process.
type machine struct {
	busy, total float64
	self        time.Duration
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

func readMachine() (m machine) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseFloat(field, 64)
		const idle, waiting, guest = 4, 5, 9 // what guests do is part of what users do
		if err != nil || i >= guest {
			continue
		}
		m.total += ticks
		if i != idle && i != waiting {
			m.busy += ticks
		}
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err == nil {
		m.self = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return m
}

// others is the share of the machine that has since gone to neither this process nor
// a subject that used so much: other programs, the kernel's own work, and what the
// hypervisor withheld.
func (m machine) others(subject time.Duration) float64 {
	now := readMachine()
	ours := (now.self - m.self + subject).Seconds() * ticksPerSecond
	if now.total == m.total {
		return 0
	}
	return max(0, (now.busy-m.busy-ours)/(now.total-m.total))
}
