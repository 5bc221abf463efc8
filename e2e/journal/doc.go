// Package journal tests the input of that name with the real
// systemd-journal-upload, on journals that systemd-journal-remote has made.
package journal
