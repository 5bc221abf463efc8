package rsyslog

import (
	"slices"
	"strings"
)

// actionParams are the parameters of actions that are translated, or that there is
// nothing to say about: the log is the queue, an output tries until messages are taken,
// and files belong to the user that Syslane runs as. Those that end in a dot are prefixes.
var actionParams = words(`type name template queue. action.resumeretrycount action.resumeinterval action.resumeintervalmax action.reportsuspension action.reportsuspensioncontinuation action.errorfile action.writeallmarkmessages
	action.execonlywhenpreviousissuspended action.externalstate. action.copymsg
	target port protocol tcp_framing tcp_framedelimiter streamdriver streamdriver. streamdrivermode streamdriverauthmode streamdriverpermittedpeers
	streamdriverpermitexpiredcerts compression. ziplevel resendlastmsgonreconnect keepalive keepalive. conerrskip rebindinterval pool. udp.
	windowsize timeout conn.timeout tls tls. librelp.
	file dynafile filecreatemode dircreatemode fileowner fileownernum filegroup filegroupnum dirowner dirownernum dirgroup dirgroupnum
	createdirs failonchownfailure dynafilecachesize closetimeout sync flushontxend flushinterval iobuffersize asyncwriting
	server serverport usehttps uid pwd searchindex dynsearchindex searchtype dynsearchtype bulkmode bulkid dynbulkid maxbytes healthchecktimeout
	indextimeout errorfile erroronly interleaved writeoperation retryfailures retryruleset esversion. skipverifyhost`)

// inputParams are those of inputs.
var inputParams = words(`type name inputname ruleset address port listenportfilename rcvbufsize schedulingpolicy schedulingpriority batchsize threads
	timerequery ipfreebind device streamdriver. permittedpeer permitedpeer path compression. keepalive keepalive. notifyonconnectionopen notifyonconnectionclose
	maxsessions maxlistners maxlisteners socketbacklog addtlframedelimiter framedelimiter flowcontrol tls tls. maxdatasize
	ratelimit. defaulttz socket createpath useflowcontrol
	file tag facility severity statefile persiststateinterval persiststateaftersubmission readtimeout addmetadata addceetag
	reopenontruncate trimlineoverbytes maxlinesatonce maxsubmitatonce deletestateonfiledelete discardtruncatedmsg msgdiscardingerror
	freshstarttail delay.message neverusestatefile sortfiles`)

func words(text string) []string { return strings.Fields(text) }

// unknownParams notes the parameters of an object that are not among those known.
func (t *translator) unknownParams(st *statement, known []string) {
	var names []string
	for name := range st.params {
		if !slices.ContainsFunc(known, func(k string) bool { return k == name || strings.HasSuffix(k, ".") && strings.HasPrefix(name, k) }) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		t.lose(st, "parameters that have no translation: %s", strings.Join(names, ", "))
	}
}
