package sink

import (
	"encoding/binary"
	"net"

	"github.com/syslane/syslane/internal/relp"
)

// countAt is where the header of a link's batch has the number of its events
// (docs/LINK.md, section 5).
const countAt = 24

// RELP takes RELP, and the link between Syslanes where it is offered. It answers at
// once and stores nothing; batches are decompressed only to look at numbers.
func RELP(addr string, numbers *Numbers) (Sink, error) {
	s := &server{}
	s.tally.numbers = numbers
	return s, s.listen(addr, func(c net.Conn) {
		session := relpSession{numbers: numbers}
		defer session.decoder.Close()
		reader := relp.NewReader(func([]byte) (int, bool) { return relp.MaxBatchData, false })
		for {
			octets, err := reader.Fill(c)
			if err != nil {
				return
			}
			messages, answers := 0, session.answers[:0]
			for {
				f, ok, err := reader.Next()
				if err != nil {
					return
				}
				if !ok {
					break
				}
				n, answer := session.take(f, answers)
				messages, answers = messages+n, answer
			}
			session.answers = answers
			s.tally.add(messages, octets)
			if len(answers) > 0 {
				if _, err := c.Write(answers); err != nil {
					return
				}
			}
		}
	})
}

type relpSession struct {
	numbers *Numbers
	answers []byte
	decoder relp.BatchDecoder
	records []byte
}

// take returns how many messages a frame holds, and answers it.
func (s *relpSession) take(f relp.Frame, answers []byte) (int, []byte) {
	switch string(f.Command) {
	case relp.CmdOpen:
		return 0, relp.AppendResponse(answers, f.Txnr, relp.CodeOK, "OK", openAnswer(f.Data))
	case relp.CmdSyslog:
		s.numbers.look(f.Data)
		return 1, relp.AppendOK(answers, f.Txnr)
	case relp.CmdBatch:
		if s.numbers != nil {
			b, err := s.decoder.Decode(f.Data, s.records)
			if err != nil {
				return 0, relp.AppendResponse(answers, f.Txnr, relp.CodeError, err.Error(), nil)
			}
			s.records = b.Records
			s.numbers.look(b.Records)
		}
		return int(binary.LittleEndian.Uint32(f.Data[countAt:])), relp.AppendOK(answers, f.Txnr)
	}
	return 0, relp.AppendOK(answers, f.Txnr)
}

// openAnswer grants the link to who offers it.
func openAnswer(data []byte) []byte {
	granted := relp.Offers{{Name: relp.OfferVersion, Values: []string{"0"}}}
	offers, err := relp.ParseOffers(data)
	if err == nil && offers.Has(relp.OfferLink, relp.LinkVersion) {
		granted = append(granted,
			relp.Offer{Name: relp.OfferCommands, Values: []string{relp.CmdSyslog, relp.CmdBatch}},
			relp.Offer{Name: relp.OfferLink, Values: []string{relp.LinkVersion}},
			relp.Offer{Name: relp.OfferCodecs, Values: relp.Codecs()})
	} else {
		granted = append(granted, relp.Offer{Name: relp.OfferCommands, Values: []string{relp.CmdSyslog}})
	}
	return granted.AppendTo(nil)
}
