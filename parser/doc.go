// Package parser finds the header fields of syslog messages in their octets:
// RFC 5424 as it is written, RFC 3164 as the world writes it, and the dialects of
// devices. It says where in the octets a field lies, copies nothing, never
// fails, and takes time linear in the length of a message.
//
// # Which grammar
//
//	message    = [junk] [PRI] (rfc5424 / rfc3164 / rest)
//	PRI        = "<" 1*3DIGIT ">"                        ; 0 to 191
//	junk       = BOM / spaces / line ends / NULs / octet count
//	rfc5424    = VERSION SP (TIMESTAMP / "-") SP ...      ; RFC 5424 §6
//	rfc3164    = *prefix stamp [":"] [host] *word [tag] text
//
// A message with a VERSION and a time, or NILVALUE, behind it is of RFC 5424.
// Any other in which a time, a host or a tag is found has the format
// syslog.RFC3164; what is left is syslog.Unparsed, with all but a valid PRI in
// the text. Without a PRI the message is a notice of the user facility, unless
// its body says how severe it is (below); a PRI always counts before the body.
//
// Leniency with what stands before the header:
//
//	<034>...                leading zeros
//	<999>Oct 11 ...         no PRI, but the header behind it is read
//	486 <132>1 2022-...     an octet count that got into the message
//
// # RFC 5424
//
// What the RFC allows is read to the letter: whatever influxdata/go-syslog v3
// accepts comes out with the same fields. The structured data is checked and
// left as it stands, order, repeats and escapes included; syslog.EachElement
// walks over it. A byte order mark is left out of the text, nothing else.
// Let pass besides, with an example each:
//
//	<165>1 2003-10-11T22:14:15.003000123Z ...     up to nine digits of a fraction
//	<165>1 2003-10-11 22:14:15+0200 ...           any stamp below that has a year
//	<165>1 2003-10-11T22:14:15Z  host ...         several spaces before a field
//	<165>1 2003-10-11T22:14:15Z wéb1 ...          octets beyond ASCII, fields of any length
//	... [a  x="1" ] text                          several spaces in structured data
//	... [a x="\n"] text                           a backslash before any octet (§6.3.3)
//	... - ID47 text                               no structured data:  warning
//	... - ID47 [action:"Accept"; n:"1"]           malformed:           warning
//	<5>1 2022-10-11T22:14:15Z VAULT CEF:0|...     the body in place of APP-NAME: warning
//	<14>1 2022-10-11T22:14:15Z web1 app[12]: text the tag of RFC 3164: warning
//
// With the warning syslog.WarnStructuredData the octets that should have been
// structured data begin the text.
//
// # Times
//
// A stamp is, in English and in any case,
//
//	Oct 11 22:14:15          Oct 11 2022 22:14:15       Oct 11, 2022 22:14:15
//	2022 Oct 11 22:14:15     Oct 11 22:14:15 2022       October 11 22:14:15
//	11 Oct 2022 22:14:15     11-Oct-2022 22:14:15       11/Oct/2022:22:14:15
//	11Oct2022 22:14:15       Tue Oct 11 22:14:15 2022   Tue, 11 Oct 2022 22:14:15
//	2022-10-11T22:14:15      2022-10-11 22:14:15        2022/10/11-22:14:15
//	2022:10:11-22:14:15      20221011T221415            20221011 22:14:15
//	11.10.2022 22:14:15      11-10-2022 22:14:15        10/11/2022 22:14:15
//	1665526455               1665526455.123456          1665526455123 (and µs, ns)
//
// in brackets or not, with a fraction (.123  ,123  :123  and Huawei's .123.4),
// and behind it in any order AM or PM, a year, and a zone:
//
//	Z  +02:00  +0200  +02  UTC  CEST  GMT+2  (CEST)  DST
//
// Of 10/11/2022 the month is first, unless only the other order lies within two
// days of the receive time.
//
// A stamp without a year gets the latest year that puts it no more than 31 days
// after the receive time, and the warning syslog.WarnYearInferred: 31 December
// received in January is of last year, 1 January received in December of the
// next, and a file of the last eleven months comes out right.
//
// A stamp without a zone is read in Options.Location (ZoneMap chooses one by
// network). An abbreviation that this location uses means it; of any other that
// several zones share, the table in this package has one. A local time that a
// clock shows twice is the one nearer to the receive time; one that it never
// shows is read with the offset before the change.
//
// Times outside of the years 1678 to 2261 count as none. One that differs from
// the receive time by more than Options.MaxSkew is kept and flagged with
// syslog.WarnClockSkew. The receive time itself is the event's, beside it.
//
// # RFC 3164
//
// Before the time may stand
//
//	29: 000045:        sequence numbers
//	router1:           the host
//	* . : #            marks of the clock's state
//	[Oct 11 22:14:15]  the time in brackets
//	RP/0/RSP0/CPU0:    a node of IOS XR
//	Original Address=10.0.0.5   what Kiwi Syslog adds: the host, if no other is named
//
// A HOSTNAME is a word of letters, digits and -._/@%~+&, or an address, in
// brackets or not. It is missing where the word is a tag, a zone or a level.
//
//	Oct 11 22:14:15 sshd[12]: text                 no host
//	Oct 11 22:14:15 router1: %SYS-5-CONFIG_I: text the host, though a colon follows
//	Oct 11 22:14:15 2001:db8::1 app: text          IPv6
//	Oct 11 22:14:15 [192.0.2.7.2.2] app: text      the address, without the port
//	Oct 11 22:14:15 - app: text                    none, as "(none)" is
//	<30>web1 sshd[12]: text                        a host without a time
//
// A relay that did not understand a message puts its own header before it. The
// inner header counts, its PRI too, where it is whole: with a PRI, a colon behind
// its time, or a tag. A time that the device calls unset ("*") does not.
//
//	Oct 11 22:14:15 relay Oct 11 22:14:14 web1 sshd[12]: text
//	Oct 11 22:14:15 relay <34>1 2022-10-11T22:14:14Z web1 su - - - text
//	Oct 11 22:14:15 10.1.1.1 29: Oct 11 22:14:14.123: %SYS-5-CONFIG_I: text
//	Oct 11 22:14:15 Message forwarded from aix7: sshd[12]: text
//
// A TAG ends with a colon or has a pid; RFC 3164 lets it end with any space, but
// then each text without one would lose its first word. Its name is the AppName,
// its pid the ProcID, and the text begins behind ": ". Line ends and NULs at the
// end of the text are left out.
//
//	sshd[4123]: text   postfix/smtpd[88]: text   app[12] text   su:text
//	%SYS-5-CONFIG_I: text                        Cisco: see below
//	Use the BFG!                                 no tag
//
// # Dialects
//
// Each has a file with its rule: Cisco (cisco.go; its mnemonic, %SYS-5-CONFIG_I,
// is the AppName with the percent sign, its last part the MsgID), Juniper
// (juniper.go), Fortinet, Sophos, SonicWall, Check Point, ScreenOS and others
// that send key=value (keyvalue.go), Palo Alto (paloalto.go), CEF and LEEF
// (cef.go), Aruba (aruba.go), Ubiquiti, F5 and others that put words around the
// host (host.go, tag.go), Huawei and H3C (cisco.go), MikroTik (mikrotik.go), Cisco
// Meraki (rfc5424.go), NetApp (netapp.go), Solaris (solaris.go), AIX, the BSDs,
// BusyBox and ProCurve (tag.go), Windows agents (windows.go), the Linux audit
// daemon (audit.go) and JSON (json.go). From the body they take only what the
// header lacks: time, host, and severity. testdata/devices holds examples of
// well over a hundred kinds of senders.
//
// # Bodies
//
// ExtractKV, ExtractCEF and ExtractJSON take fields out of a text on demand, and
// an Extractor chooses among them; Parse does not.
//
// # Octets
//
// Raw is never changed. A text that is not UTF-8 is flagged with
// syslog.WarnNotUTF8. A Charset turns the messages of senders that are known to
// write another into UTF-8 before they are parsed, and only in such a way that
// the octets received can be had back.
package parser
