package elasticsearch

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// verdict is what an answer means for a document, or for a whole request.
type verdict uint8

const (
	// pending: nothing is known yet.
	pending verdict = iota
	// created: the destination has the document.
	created
	// duplicate: it had it already (409 on create), which is as good.
	duplicate
	// again: turned away for the moment; send it again after a pause.
	again
	// failed: the server failed on this document (500). Mostly it will pass, but a
	// processor of a pipeline that chokes on a document answers so each time; see judge.
	failed
	// held: somebody has to mend authorisation, the cluster or the configuration
	// before any document passes; nothing is lost meanwhile.
	held
	// rejected: this document will never be taken.
	rejected
)

// classifyItem tells what the answer means for a document.
func classifyItem(it *itemAnswer) verdict {
	switch s := it.status; {
	case s < 300:
		return created
	case s == http.StatusConflict:
		return duplicate
	case s == http.StatusTooManyRequests || s == http.StatusRequestTimeout:
		return again
	case s == http.StatusInternalServerError && it.refusedByPipeline():
		return rejected
	case s == http.StatusInternalServerError:
		return failed
	case s > 500:
		return again
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusNotFound:
		return held
	case s == http.StatusBadRequest && isConfigurationFault(it.errType, it.reason):
		return held
	}
	return rejected
}

// refusedByPipeline tells whether a pipeline has a "fail" processor for such documents:
// that is a decision, though it comes as a failure.
func (it *itemAnswer) refusedByPipeline() bool {
	const decision = "fail_processor_exception"
	return string(it.errType) == decision || string(it.causeType) == decision
}

// configurationFaults are errors that come as a document's 400 and say nothing
// about the document: all others would fare the same until somebody mends the
// configuration. Each is an error type, and how its reason starts ("" for any).
var configurationFaults = []struct{ errType, reason string }{
	{"index_closed_exception", ""},
	{"invalid_index_name_exception", ""},
	{"invalid_alias_name_exception", ""},
	{"illegal_argument_exception", "pipeline with id ["},
	{"illegal_argument_exception", "no write index is defined for alias"},
	{"illegal_argument_exception", "Alias ["},
	{"illegal_argument_exception", "only write ops with an op_type of create"},
	{"illegal_argument_exception", "final pipeline"},
	{"illegal_argument_exception", "Validation Failed: 1: this action would add ["},
	{"validation_exception", "Validation Failed: 1: this action would add ["},
}

func isConfigurationFault(errType, reason []byte) bool {
	for _, f := range configurationFaults {
		if string(errType) == f.errType && bytes.HasPrefix(reason, []byte(f.reason)) {
			return true
		}
	}
	return false
}

// describe puts together what the answer says of a document.
func (it *itemAnswer) describe() string {
	s := join(string(it.errType), string(it.reason), string(it.causeType), string(it.causeReason))
	if s == "" {
		return fmt.Sprintf("status %d without a reason", it.status)
	}
	return s
}

// requestVerdict is what the status of a whole request means.
type requestVerdict uint8

const (
	// answered: the status is 200, the items tell.
	answered requestVerdict = iota
	// tooLarge: 413; send less at a time.
	tooLarge
	// refused: something before Elasticsearch does not like what is in the
	// request; find out which document it is.
	refused
	// overloaded: 429, and 503 of Elasticsearch itself; slow down.
	overloaded
	// unknown: what became of the documents is not known; send them again.
	unknown
	// denied: as held, for the whole request.
	denied
)

// classifyRequest tells what the status of a whole request means. structured says
// that the answer's body is an error of Elasticsearch, not of something before it.
func classifyRequest(status int, structured bool) requestVerdict {
	switch {
	case status == http.StatusOK:
		return answered
	case status == http.StatusRequestEntityTooLarge:
		return tooLarge
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && structured:
		return overloaded
	case status >= 500, status == http.StatusRequestTimeout:
		return unknown
	case status == http.StatusUnauthorized, status == http.StatusNotFound, status == http.StatusMethodNotAllowed,
		status == http.StatusProxyAuthRequired, status < 400, structured:
		return denied
	}
	return refused
}

// StatusError is the error of a request that the server answered with an error
// status, or of documents that it holds back.
type StatusError struct {
	// Host is the node that answered, Status its HTTP status.
	Host   string
	Status int
	// Reason is the server's own words.
	Reason string
}

// hints tell an operator what to look at.
var hints = map[int]string{
	http.StatusUnauthorized:    "check api_key, or username and password",
	http.StatusForbidden:       "check the privileges of the credentials (create_doc and auto_configure on the target) and whether a disk is full or the index is write-blocked",
	http.StatusNotFound:        "check the path in hosts, and that the target exists or may be created",
	http.StatusTooManyRequests: "the cluster is overloaded",
}

func (e *StatusError) Error() string {
	var b strings.Builder
	b.WriteString("elasticsearch")
	if e.Host != "" {
		b.WriteString(" at " + e.Host)
	}
	fmt.Fprintf(&b, " answered %d", e.Status)
	if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + text)
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	hint := hints[e.Status]
	if strings.HasPrefix(e.Reason, "cluster_block_exception") {
		hint = "the index is write-blocked: see whether a disk is full"
	}
	if hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	return b.String()
}
