package search

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"maps"

	"github.com/syslane/syslane/internal/syslog"
)

// ecsDocument is what a query can look at in a document.
type ecsDocument struct {
	Time    time.Time `json:"@timestamp"`
	Message string    `json:"message"`
	Host    struct {
		Name string `json:"name"`
	} `json:"host"`
	Source struct {
		IP   string `json:"ip"`
		Port uint16 `json:"port"`
	} `json:"source"`
	TLS struct {
		Client struct {
			Subject string `json:"subject"`
		} `json:"client"`
	} `json:"tls"`
	Event struct {
		ID string `json:"id"`
	} `json:"event"`
	Labels struct {
		Input  string `json:"input"`
		Format string `json:"format"`
	} `json:"labels"`
	Tags []string `json:"tags"`
	Log  struct {
		File struct {
			Path string `json:"path"`
		} `json:"file"`
		Syslog struct {
			Priority int                                   `json:"priority"`
			Hostname string                                `json:"hostname"`
			AppName  string                                `json:"appname"`
			ProcID   string                                `json:"procid"`
			MsgID    string                                `json:"msgid"`
			Data     map[string]map[string]json.RawMessage `json:"structured_data"`
		} `json:"syslog"`
	} `json:"log"`
}

// eventOf makes an event of its document: all that queries look at, as they would find
// it in the log. The order of structured data is lost, and octets that are no UTF-8.
func eventOf(source []byte) (*syslog.Event, error) {
	var d ecsDocument
	if err := json.Unmarshal(source, &d); err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	e := &syslog.Event{Input: d.Labels.Input, Identity: d.TLS.Client.Subject, Path: d.Log.File.Path}
	if id, err := syslog.ParseID(d.Event.ID); err == nil {
		e.ID = id
	}
	e.Timestamp = d.Time.UnixNano()
	e.Facility, e.Severity = syslog.Facility(d.Log.Syslog.Priority>>3&31), syslog.Severity(d.Log.Syslog.Priority&7)
	for _, f := range []syslog.Format{syslog.Unparsed, syslog.RFC5424, syslog.RFC3164} {
		if f.String() == d.Labels.Format {
			e.Format = f
		}
	}
	if addr, err := netip.ParseAddr(d.Source.IP); err == nil {
		e.Source = netip.AddrPortFrom(addr, d.Source.Port)
	}
	for i, name := range syslog.Warnings(1<<32 - 1).Names(nil) {
		if slices.Contains(d.Tags, name) {
			e.Warnings |= 1 << i
		}
	}
	add := func(text []byte) syslog.Span {
		from := uint32(len(e.Raw))
		e.Raw = append(e.Raw, text...)
		return syslog.Span{Start: from, End: uint32(len(e.Raw))}
	}
	e.Hostname, e.AppName = add([]byte(d.Log.Syslog.Hostname)), add([]byte(d.Log.Syslog.AppName))
	e.ProcID, e.MsgID, e.Text = add([]byte(d.Log.Syslog.ProcID)), add([]byte(d.Log.Syslog.MsgID)), add([]byte(d.Message))
	if e.Hostname.Empty() {
		e.Host = d.Host.Name
	}
	if len(d.Log.Syslog.Data) > 0 {
		data, err := structuredData(d.Log.Syslog.Data)
		if err != nil {
			return nil, err
		}
		e.StructuredData = add(data)
	}
	return e, nil
}

// structuredData writes the object of a document as RFC 5424 §6.3 has it.
func structuredData(elements map[string]map[string]json.RawMessage) (dst []byte, err error) {
	for _, id := range slices.Sorted(maps.Keys(elements)) {
		params := elements[id]
		dst = append(append(dst, '['), id...)
		for _, name := range slices.Sorted(maps.Keys(params)) {
			var values []string
			if strings.HasPrefix(string(params[name]), "[") {
				err = json.Unmarshal(params[name], &values)
			} else {
				values = make([]string, 1)
				err = json.Unmarshal(params[name], &values[0])
			}
			if err != nil {
				return nil, fmt.Errorf("read the structured data of a document: %w", err)
			}
			for _, value := range values {
				dst = append(append(append(dst, ' '), name...), `="`...)
				dst = append(append(dst, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(value)...), '"')
			}
		}
		dst = append(dst, ']')
	}
	return dst, nil
}
