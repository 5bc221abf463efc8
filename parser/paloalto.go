package parser

// paloAlto takes what the header lacks from the comma-separated text of PAN-OS
// (6.0 and later): the time at which the log was generated, the name of the
// firewall and, in system and threat logs, the severity.
//
//	<14>Oct 11 22:14:15 PA-220 1,2022/10/11 22:14:15,007200001056,TRAFFIC,end,...   (an ordinary header)
//	1,2022/10/11 22:14:15,007200001056,SYSTEM,general,0,2022/10/11 22:14:15,,general,,0,0,general,informational,"text",1,0x0,0,0,0,0,,PA-220
func (d *dialect) paloAlto(p, end int) bool {
	b := d.b
	if end-p < 40 || !isDigit(b[p]) {
		return false
	}
	var kind []byte
	severity, device := -1, -1
	var received [2]int
	field := 0
	for p <= end {
		stop := csvEnd(b, p, end)
		switch {
		case field == 1:
			if stop-p != 19 || b[p+4] != '/' {
				return false
			}
			received = [2]int{p, stop}
		case field == 3:
			kind = b[p:stop]
			switch string(kind) {
			case "TRAFFIC":
				device = 52
			case "THREAT":
				severity, device = 34, 59
			case "SYSTEM":
				severity, device = 13, 22
			case "CONFIG":
				device = 23
			case "HIPMATCH", "GLOBALPROTECT", "USERID", "CORRELATION", "DECRYPTION", "AUTHENTICATION", "HIP-MATCH", "TUNNEL", "SCTP", "GTP", "IPTAG":
			default:
				return false
			}
		case field == 6 && stop-p == 19:
			d.time(p, stop)
		case field == severity:
			if s, ok := rating(b[p:stop]); ok {
				d.severity(s)
			}
		case field == device:
			d.host(p, stop)
			d.time(received[0], received[1])
			return true
		}
		p = stop + 1
		field++
	}
	d.time(received[0], received[1])
	return kind != nil
}

// csvEnd returns the end of the field of comma-separated values that begins at
// p: the next comma outside of quotes, or end.
func csvEnd(b []byte, p, end int) int {
	quoted := false
	for ; p < end; p++ {
		switch b[p] {
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				return p
			}
		}
	}
	return end
}
