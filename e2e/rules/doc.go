// Package rules tests what an administrator decides about messages, with the real
// program: routes, transforms, suppression of repeats, limits.
package rules
