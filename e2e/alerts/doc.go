// Package alerts tests a collector's alerts with the real binary and a real Alertmanager.
package alerts
