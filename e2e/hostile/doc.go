// Package hostile attacks a collector as someone would who means harm and has
// patience or many connections. What single octets can do is shown by
// TestBadInputOnAnyPort… beside it, and by the fuzz tests of the parsers.
package hostile
