package file

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// begun returns when a file was made, where the file system tells, else when it was
// last written.
func begun(f *os.File, info fs.FileInfo) time.Time {
	var s unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &s); err != nil || s.Mask&unix.STATX_BTIME == 0 {
		return info.ModTime()
	}
	return time.Unix(s.Btime.Sec, int64(s.Btime.Nsec))
}
