package transform

import (
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

// draft is a message being changed.
type draft struct {
	syslog.Draft
	// elements are the structured data once it was looked at.
	elements []element
	parsed   bool
	changed  bool
}

// element is an SD-ELEMENT taken apart.
type element struct {
	id     string
	params []param
}

// param is an SD-PARAM; its value is without escapes.
type param struct {
	name  string
	value []byte
}

// header returns the place of a header field or the text.
func (d *draft) header(name string) *[]byte {
	switch name {
	case "host":
		return &d.Hostname
	case "app":
		return &d.AppName
	case "procid":
		return &d.ProcID
	case "msgid":
		return &d.MsgID
	}
	return &d.Text
}

// get returns the value of a field, and whether it is there. An element's value is
// found where it is set.
func (d *draft) get(f Field) (value []byte, ok bool) {
	if f.name != "" {
		value = *d.header(f.name)
		return value, len(value) > 0
	}
	e := d.element(f.id)
	if e == nil {
		return nil, false
	}
	if f.param == "" {
		moved := element{params: e.params}
		return moved.encode(nil), true
	}
	for _, p := range e.params {
		if p.name == f.param {
			return p.value, true
		}
	}
	return nil, false
}

// set gives a field a value; for an element it is one that get returned.
func (d *draft) set(f Field, value []byte) {
	d.changed = true
	switch {
	case f.name == "severity":
		d.Severity, _ = syslog.ParseSeverity(string(value))
	case f.name == "facility":
		d.Facility, _ = syslog.ParseFacility(string(value))
	case f.name != "":
		*d.header(f.name) = value
	case f.param == "":
		d.remove(f)
		params := parse(value)[0].params
		d.elements = append(d.elements, element{f.id, params})
	default:
		e := d.element(f.id)
		if e == nil {
			d.elements = append(d.elements, element{id: f.id})
			e = &d.elements[len(d.elements)-1]
		}
		e.remove(f.param)
		e.params = append(e.params, param{f.param, value})
	}
}

func (d *draft) remove(f Field) {
	switch {
	case f.name == "severity" || f.name == "facility":
		// A message without them there is not.
	case f.name != "":
		if place := d.header(f.name); len(*place) > 0 {
			*place, d.changed = nil, true
		}
	default:
		d.structured()
		kept := d.elements[:0]
		for _, e := range d.elements {
			if e.id == f.id && f.param == "" {
				d.changed = true
				continue
			}
			if e.id == f.id && e.remove(f.param) {
				d.changed = true
			}
			kept = append(kept, e)
		}
		d.elements = kept
	}
}

// tag adds a tag where it is not there yet.
func (d *draft) tag(tag string) {
	e := d.element(match.TagsID)
	if e == nil {
		d.elements = append(d.elements, element{id: match.TagsID})
		e = &d.elements[len(d.elements)-1]
	}
	for _, p := range e.params {
		if p.name == "tag" && string(p.value) == tag {
			return
		}
	}
	e.params = append(e.params, param{"tag", []byte(tag)})
	d.changed = true
}

// element returns the first element of that id, nil where there is none.
func (d *draft) element(id string) *element {
	d.structured()
	for i := range d.elements {
		if d.elements[i].id == id {
			return &d.elements[i]
		}
	}
	return nil
}

// structured takes the structured data apart, once.
func (d *draft) structured() {
	if !d.parsed {
		d.elements, d.parsed = parse(d.StructuredData), true
	}
}

// finish makes the draft the message of e.
func (d *draft) finish(e *syslog.Event) {
	if d.parsed {
		d.StructuredData = nil
		for _, el := range d.elements {
			d.StructuredData = el.encode(d.StructuredData)
		}
	}
	// The parts alias the octets of e, so the new ones are written elsewhere.
	d.AppendTo(make([]byte, 0, len(e.Raw)+64), e)
}

func parse(sd []byte) (elements []element) {
	syslog.EachElement(sd, func(e syslog.Element) bool {
		out := element{id: string(e.ID)}
		e.EachParam(func(p syslog.Param) bool {
			out.params = append(out.params, param{string(p.Name), p.AppendValue(nil)})
			return true
		})
		elements = append(elements, out)
		return true
	})
	return elements
}

func (e *element) encode(dst []byte) []byte {
	dst = syslog.AppendElement(dst, e.id)
	for _, p := range e.params {
		dst = syslog.AppendParam(dst, p.name, p.value)
	}
	return syslog.EndElement(dst)
}

// remove takes away every parameter of that name.
func (e *element) remove(name string) (found bool) {
	kept := e.params[:0]
	for _, p := range e.params {
		if p.name == name {
			found = true
			continue
		}
		kept = append(kept, p)
	}
	e.params = kept
	return found
}
