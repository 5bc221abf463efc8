package config

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

// Address names a server, as a URL or host:port. A user and a password in it never
// print: they are masked but in string(a).
type Address string

// String returns the address without what stands before its last @, since a password
// that is not escaped may hold anything.
func (a Address) String() string {
	scheme, rest, ok := strings.Cut(string(a), "://")
	if !ok || strings.ContainsAny(scheme, ":@") {
		scheme, rest = "", string(a)
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return scheme + mask + rest[i:]
	}
	return string(a)
}

// Format masks with every verb of package fmt.
func (a Address) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), a.String())
}

// MarshalText returns what String does, for JSON, TOML and logs.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Endpoint is a URL that lets in whoever knows it, as those of webhooks do: only scheme,
// host and port of it ever print, but in string(e).
type Endpoint string

// String returns scheme, host and port, and a mask for the rest.
func (e Endpoint) String() string {
	u, err := url.Parse(string(e))
	switch {
	case e == "":
		return ""
	case err != nil || u.Host == "":
		return mask
	}
	text := u.Scheme + "://" + u.Host
	if u.User != nil {
		text = u.Scheme + "://" + mask + "@" + u.Host
	}
	if text == string(e) || text+"/" == string(e) {
		return string(e)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		text += "/" + mask
	}
	return text
}

// Format masks with every verb of package fmt.
func (e Endpoint) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), e.String())
}

// MarshalText returns what String does, for JSON, TOML and logs.
func (e Endpoint) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

var (
	addressType  = reflect.TypeFor[Address]()
	endpointType = reflect.TypeFor[Endpoint]()
)

// address fills v, an Address or Endpoint, from n.
func (d *binder) address(n *node, v reflect.Value) {
	n.conceal = func(s string) string { return Address(s).String() }
	if v.Type() == endpointType {
		n.conceal = func(s string) string { return Endpoint(s).String() }
	}
	d.scalar(n, v)
	if strings.Contains(v.String(), mask) {
		d.fail(n, "%s: %s is how a secret is shown, not the secret; write it in, or ${NAME}", n.path(), mask)
	}
}
