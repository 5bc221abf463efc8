// Package parser finds the header fields of syslog messages in their octets.
package parser
