package parser

import "github.com/syslane/syslane/internal/syslog"

// eventName returns the name of an event with which the text begins at i: the
// mnemonic behind a process of Cisco IOS XR and Arista EOS, or the name that
// Junos writes there, which is the MSGID in its structured form. It stays part
// of the text.
//
//	Oct 11 22:14:15 mx1 mgd[4153]: UI_DBASE_LOGIN_EVENT: User 'admin' entering configuration mode
//	Oct 11 22:14:15 arista1 Ebra: %LINEPROTO-5-UPDOWN: Line protocol on Interface Ethernet1
func eventName(b []byte, i int) syslog.Span {
	c := at(b, i)
	if c == '%' {
		_, msgID, _, _ := tagAt(b, i)
		return msgID
	}
	if c-'A' >= 26 {
		return syslog.Span{}
	}
	j, underscores := i+1, 0
	for j < len(b) && j < i+64 && (b[j]-'A' < 26 || isDigit(b[j]) || b[j] == '_') {
		if b[j] == '_' {
			underscores++
		}
		j++
	}
	if underscores == 0 || !hasPrefix(b, j, ": ") {
		return syslog.Span{}
	}
	return span(i, j)
}
