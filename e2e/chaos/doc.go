// Package chaos runs a whole system of hosts, relays, collectors and Elasticsearch
// under faults drawn from a seed, and counts what arrived.
//
// Every machine is a network namespace with a state folder on a disk of its own;
// every program is the real one. What it needs (root, ip, nft, loop devices) is
// checked first.
package chaos
