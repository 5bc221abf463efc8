package deadletter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// fileName is the name of the file that an output's entries go to. Names keep
// letters, digits, dot, hyphen and underscore; other octets stand as =XX.
func fileName(output string) string { return escapeName(output) + suffix }

// sealedName is the name of a full file: behind the name of the output, in order,
// a number of twelve digits.
func sealedName(output string, n uint64) string {
	return fmt.Sprintf("%s~%012d%s", escapeName(output), n, suffix)
}

const suffix = ".ndjson"

func escapeName(output string) string {
	var b []byte
	for i := range len(output) {
		switch c := output[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b = append(b, c)
		default:
			b = fmt.Appendf(b, "=%02X", c)
		}
	}
	return string(b)
}

// Each calls f for all entries of an output, the oldest first, also while another
// process appends to them. damaged is the number of lines that are none. An error
// of f ends it and is returned.
func Each(fsys vfs.FS, dir, output string, f func(Entry) error) (damaged int, err error) {
	// The growing file is opened before the full ones are listed: should it
	// become full meanwhile, its entries come twice, but never not at all.
	growing, err := fsys.Open(filepath.Join(dir, fileName(output)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("open the dead letter of output %q: %w", output, err)
	}
	if err == nil {
		defer growing.Close()
	}
	full, err := listFull(fsys, dir, output)
	if err != nil {
		return 0, fmt.Errorf("list the dead letter of output %q: %w", output, err)
	}
	for _, name := range full {
		bad, err := eachInFile(fsys, filepath.Join(dir, name), f)
		damaged += bad
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return damaged, err
		}
	}
	if growing == nil {
		return damaged, nil
	}
	bad, err := eachLine(growing, f)
	return damaged + bad, err
}

// Outputs returns the names of the outputs that have a dead letter in dir.
func Outputs(fsys vfs.FS, dir string) ([]string, error) {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("list the dead letters: %w", err)
	}
	var outputs []string
	for _, name := range names {
		name, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "~")
		if name = unescapeName(name); !slices.Contains(outputs, name) {
			outputs = append(outputs, name)
		}
	}
	return outputs, nil
}

func unescapeName(name string) string {
	var b []byte
	for i := 0; i < len(name); i++ {
		if name[i] == '=' && i+2 < len(name) {
			if c, err := strconv.ParseUint(name[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(c))
				i += 2
				continue
			}
		}
		b = append(b, name[i])
	}
	return string(b)
}

// listSealed returns the numbers of an output's full files, in order.
func listSealed(fsys vfs.FS, dir, output string) ([]uint64, error) {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var sealed []uint64
	for _, name := range names { // sorted, and the numbers have a fixed width
		rest, ok := strings.CutPrefix(name, escapeName(output)+"~")
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSuffix(rest, suffix), 10, 64); err == nil && sealedName(output, n) == name {
			sealed = append(sealed, n)
		}
	}
	return sealed, nil
}

// eachInFile calls f for the entries of one file.
func eachInFile(fsys vfs.FS, path string, f func(Entry) error) (damaged int, err error) {
	file, err := fsys.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if damaged, err = eachLine(file, f); err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return damaged, err
}

// firstTime returns when the first entry of a file was refused; the zero time where it
// holds none.
func firstTime(fsys vfs.FS, path string) (first time.Time, err error) {
	_, err = eachInFile(fsys, path, func(e Entry) error { first = e.Time; return io.EOF })
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return first, err
}

// eachLine calls f for the entries in an open file.
func eachLine(file vfs.File, f func(Entry) error) (damaged int, err error) {
	size, err := file.Size()
	if err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 64<<10)
	for {
		b, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return damaged, nil // what has no line end yet was not acknowledged
		} else if err != nil {
			return damaged, fmt.Errorf("read the dead letter: %w", err)
		}
		e, err := parseLine(b)
		if err != nil {
			damaged++
			continue
		}
		if err := f(e); err != nil {
			return damaged, err
		}
	}
}
