// Package elasticsearch tests the output of that name against a real server: one
// that ELASTICSEARCH_URL names, or one of its own.
package elasticsearch
