package doctor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// Versions says what runs here.
func Versions(version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "syslane %s, %s %s/%s, %d CPUs\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			fmt.Fprintf(&b, "%s %s\n", d.Path, d.Version)
		}
	}
	for _, file := range []string{"/proc/version", "/etc/os-release", "/proc/uptime", "/proc/loadavg"} {
		fmt.Fprintf(&b, "--- %s\n%s", file, read(file))
	}
	return b.String()
}

// Kernel says what the kernel has counted and allows.
func Kernel() string {
	var b strings.Builder
	for _, file := range []string{
		"/proc/sys/net/core/rmem_max", "/proc/sys/net/core/rmem_default", "/proc/sys/net/core/somaxconn", "/proc/sys/net/core/netdev_max_backlog",
		"/proc/sys/fs/inotify/max_user_watches", "/proc/sys/fs/file-nr", "/proc/net/sockstat", "/proc/net/snmp", "/proc/net/udp", "/proc/net/udp6",
		"/proc/meminfo", "/proc/pressure/io", "/proc/pressure/cpu", "/proc/pressure/memory",
	} {
		fmt.Fprintf(&b, "--- %s\n%s", file, read(file))
	}
	return b.String()
}

func read(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Sprintf("(%v)\n", err)
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return string(text)
}

// Process is a running Syslane as /proc shows it.
type Process struct {
	PID int
	// Text is what is shown of it: limits, memory, threads and open files.
	Text string
	// Files is how many are open, and MaxFiles how many may be; 0 where unknown.
	Files, MaxFiles int
}

// Processes looks for those that run the program; this process is none of them.
func Processes(program string) (list []Process) {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range folders {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if exe, err := os.Readlink(dir + "/exe"); err != nil || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) != program {
			continue
		}
		p := Process{PID: pid}
		var b strings.Builder
		fmt.Fprintf(&b, "process %d\n", pid)
		for _, name := range []string{"limits", "status", "cgroup"} {
			fmt.Fprintf(&b, "--- %s\n%s", name, read(dir+"/"+name))
		}
		limits, _ := os.ReadFile(dir + "/limits")
		for line := range strings.Lines(string(limits)) {
			if f := strings.Fields(line); strings.HasPrefix(line, "Max open files") && len(f) > 3 {
				p.MaxFiles, _ = strconv.Atoi(f[3])
			}
		}
		files, _ := os.ReadDir(dir + "/fd")
		p.Files = len(files)
		kinds := map[string]int{}
		for _, f := range files {
			target, err := os.Readlink(dir + "/fd/" + f.Name())
			if err != nil {
				continue
			}
			if kind, _, found := strings.Cut(target, ":["); found {
				target = kind // socket:[4711]
			}
			kinds[target]++
		}
		fmt.Fprintf(&b, "--- open files: %d\n", len(files))
		var lines []string
		for target, n := range kinds {
			lines = append(lines, fmt.Sprintf("%6d %s\n", n, target))
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, ""))
		p.Text = b.String()
		list = append(list, p)
	}
	return list
}
