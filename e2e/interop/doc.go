// Package interop shows how the programs that hosts already have are understood:
// each real program sends to a real collector, what the collector then finds is
// compared with what was sent, and the findings are the table in docs/INTEROP.md.
package interop
