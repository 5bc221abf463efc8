package transform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

// Field is a part of a message that can be set.
type Field struct {
	// name is that of a header field or "message"; "" for structured data.
	name string
	// id and param name a parameter; without param the whole element.
	id, param string
}

// names are the fields besides structured data.
var names = []string{"facility", "severity", "host", "app", "procid", "msgid", "message"}

// ParseField reads the name of a field: as conditions write it.
func ParseField(s string) (Field, error) {
	if slices.Contains(names, s) {
		return Field{name: s}, nil
	}
	if id, param, ok := match.ParseSD(s); ok {
		return Field{id: id, param: param}, nil
	}
	if strings.HasPrefix(s, "sd") {
		return Field{}, fmt.Errorf(`%q is no part of the structured data; write sd["id"]["name"], or sd["id"] for all of an element`, s)
	}
	return Field{}, fmt.Errorf("no field %q can be changed%s", s, config.Suggest(s, append(slices.Clone(names), `sd["id"]["name"]`)))
}

// CheckValue says why the field cannot have a value.
func (f Field) CheckValue(value string) (err error) {
	switch {
	case f.name == "severity":
		_, err = syslog.ParseSeverity(value)
	case f.name == "facility":
		_, err = syslog.ParseFacility(value)
	case f.name == "" && f.param == "":
		err = fmt.Errorf(`name a parameter: sd[%q]["name"]`, f.id)
	}
	return err
}

// CanRemove says why the field cannot be taken away.
func (f Field) CanRemove() error {
	if f.name == "severity" || f.name == "facility" {
		return fmt.Errorf("every message has a %s; set another", f.name)
	}
	return nil
}

// CanMove says why a value cannot go from f to another field.
func (f Field) CanMove(to Field) error {
	for _, x := range []Field{f, to} {
		if x.name == "severity" || x.name == "facility" {
			return fmt.Errorf("%s cannot be renamed; set it", x.name)
		}
	}
	if (f.name == "" && f.param == "") != (to.name == "" && to.param == "") {
		return fmt.Errorf("an element can only become an element, and a value a value")
	}
	return nil
}
