package file

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// headSize is how many octets from the start of a file are digested at most. As
// long as a file is shorter, the digest is of what was read of it.
const headSize = 1024

// inode is where a file lies.
type inode struct{ device, number uint64 }

func inodeOf(info os.FileInfo) inode {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}
	}
	return inode{uint64(s.Dev), uint64(s.Ino)}
}

// isDeleted tells whether an open file has no name any more.
func isDeleted(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink == 0
}

// identity is by what a file is known again.
type identity struct {
	inode
	// length is how many octets from the start are digested: 0 where nothing is
	// known of the content.
	length int
	digest [8]byte
}

// identify digests the first octets of a file, which must be at least length.
func identify(f io.ReaderAt, at inode, length int) (identity, error) {
	head := make([]byte, length)
	if n, err := f.ReadAt(head, 0); n < length {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return identity{}, err
	}
	return identityOf(at, head), nil
}

func identityOf(at inode, head []byte) identity {
	sum := sha256.Sum256(head)
	return identity{at, len(head), [8]byte(sum[:8])}
}

// The key of a mark is "file/", the input's name, "/" and the identity: device,
// inode, length and digest in hexadecimal, with dots between.
const keyPrefix = "file/"

func (id identity) key(input string) string {
	return fmt.Sprintf("%s%s/%x.%x.%x.%x", keyPrefix, input, id.device, id.number, id.length, id.digest)
}

// parseKey reads the identity in a key of the input's.
func parseKey(input, key string) (identity, bool) {
	text, ok := strings.CutPrefix(key, keyPrefix+input+"/")
	parts := strings.Split(text, ".")
	if !ok || len(parts) != 4 {
		return identity{}, false
	}
	var n [3]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(parts[i], 16, 64); err != nil {
			return identity{}, false
		}
	}
	digest, err := hex.DecodeString(parts[3])
	if err != nil || len(digest) != 8 || n[2] == 0 || n[2] > headSize {
		return identity{}, false
	}
	return identity{inode{n[0], n[1]}, int(n[2]), [8]byte(digest)}, true
}
