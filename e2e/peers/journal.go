package peers

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/syslane/syslane/e2e/proc"
)

// Journal is a folder of journal files, as a host has one, and how far it has
// been uploaded.
type Journal struct {
	// Dir is the folder.
	Dir string
	// Place is where the host is.
	Place proc.Place
	// Env is what the upload has in its environment besides.
	Env   []string
	state string
	log   string
}

// NewJournal makes a folder without journal files.
func NewJournal(t testing.TB) *Journal {
	t.Helper()
	Find(t, JournalUpload)
	dir := t.TempDir()
	return &Journal{Dir: t.TempDir(), state: filepath.Join(dir, "state"), log: filepath.Join(dir, "upload.log")}
}

// Write adds the entries of a stream in the journal export format to one journal
// of the folder, and rotates it as journald does. A journal numbers its entries.
func (j *Journal) Write(t testing.TB, name string, export io.Reader) {
	t.Helper()
	cmd := exec.Command(Find(t, JournalRemote), "--output="+filepath.Join(j.Dir, name+".journal"), "-")
	cmd.Stdin = export
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("systemd-journal-remote: %v\n%s", err, out)
	}
}

// Upload starts systemd-journal-upload, which goes on where it was acknowledged
// last, and exits where there is no more, or where an upload fails.
func (j *Journal) Upload(t testing.TB, url string, more ...string) *proc.Process {
	t.Helper()
	return j.start(t, url, append(more, "--follow=no"))
}

// Follow is Upload that waits for new entries.
func (j *Journal) Follow(t testing.TB, url string, more ...string) *proc.Process {
	t.Helper()
	return j.start(t, url, append(more, "--follow=yes"))
}

func (j *Journal) start(t testing.TB, url string, more []string) *proc.Process {
	return proc.Start(t, proc.Config{
		Name:  "systemd-journal-upload",
		Args:  append([]string{Find(t, JournalUpload), "--url=" + url, "--save-state=" + j.state, "--directory=" + j.Dir}, more...),
		Log:   j.log,
		Place: j.Place,
		Env:   j.Env,
	})
}

// ClientTLS are the options of an upload over HTTPS.
func ClientTLS(ca, cert, key string) []string {
	return []string{fmt.Sprintf("--trust=%s", ca), fmt.Sprintf("--cert=%s", cert), fmt.Sprintf("--key=%s", key)}
}

// Forget makes the next Upload send the whole journal again.
func (j *Journal) Forget(t testing.TB) {
	t.Helper()
	if err := os.Remove(j.state); err != nil {
		t.Fatal(err)
	}
}

// Files returns the journal files of the folder.
func (j *Journal) Files(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(j.Dir, "*.journal"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}
