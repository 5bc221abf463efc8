package doctor

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/syslane/syslane/internal/config"
)

// hidden stands for what is not shown.
const hidden = "(hidden)"

// shown are the keys whose texts say nothing but how Syslane is set up.
var shown = map[string]bool{
	"type": true, "name": true, "listen": true, "mode": true, "protocol": true, "format": true, "framing": true, "compression": true,
	"codec": true, "sync": true, "full": true, "level": true, "path": true, "include": true, "exclude": true, "state": true,
	"dataset": true, "namespace": true, "index": true, "flavor": true, "id": true, "time_zone": true, "charset": true, "extract": true,
	"cert_file": true, "key_file": true, "ca_file": true, "client_auth": true, "min_version": true, "server_name": true,
	"permitted_peers": true, "link_from": true, "proxy_protocol_from": true, "to": true, "by": true, "excess": true, "start": true,
	"severity": true, "role": true, "redact": true, "fields": true, "tag": true, "notify": true, "compress": true,
}

// secret are the keys whose texts are secrets, even where they look like a size or a time.
var secret = map[string]bool{"token": true, "password": true, "api_key": true, "service_token": true, "key": true, "headers": true}

// addresses are the keys whose texts name servers, of which scheme, host and port are
// shown.
var addresses = map[string]bool{"targets": true, "hosts": true, "server": true, "url": true, "proxy_url": true}

// Configuration returns the texts of configuration files as one, without comments and
// without any value that could be a secret; and what was hidden, with what it stands for
// in the environment and in files.
func Configuration(paths []string) (text string, secrets []string) {
	var b strings.Builder
	c := &configuration{}
	for _, path := range paths {
		fmt.Fprintf(&b, "# %s\n", path)
		source, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintf(&b, "# cannot be read: %v\n", err)
			continue
		}
		var values map[string]any
		if _, err := toml.Decode(string(source), &values); err != nil {
			// The error repeats what it could not read.
			b.WriteString("# is no TOML: syslane check says where\n")
			c.secrets = append(c.secrets, longTexts.FindAllString(string(source), -1)...)
			continue
		}
		c.dir = filepath.Dir(path)
		clean, _ := c.clean("", values).(map[string]any)
		if err := toml.NewEncoder(&b).Encode(clean); err != nil {
			fmt.Fprintf(&b, "# cannot be written: %v\n", err)
		}
	}
	return b.String(), c.secrets
}

// longTexts finds what may be a secret in a file that is no TOML.
var longTexts = regexp.MustCompile(`[^"'\s=\[\]{},]{8,}`)

type configuration struct {
	dir     string
	secrets []string
}

// clean returns a value as it may be shown under a key.
func (c *configuration) clean(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if secret[key] { // as headers, whose names are the user's
				out[k] = c.clean(key, v[k])
			} else {
				out[k] = c.clean(k, v[k])
			}
		}
		return out
	case []map[string]any:
		out := make([]map[string]any, len(v))
		for i := range v {
			out[i], _ = c.clean(key, v[i]).(map[string]any)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = c.clean(key, v[i])
		}
		return out
	case string:
		return c.text(key, v)
	}
	return v // numbers, truth values and times
}

func (c *configuration) text(key, v string) string {
	var size config.Size
	_, noDuration := config.ParseDuration(v)
	switch {
	case strings.Contains(v, "${"): // whatever key: the environment is nobody's business
	case addresses[key]:
		if u, err := url.Parse(v); err == nil && u.Host != "" {
			if u.User != nil {
				password, _ := u.User.Password()
				c.hide(password)
				c.hide(u.User.Username())
			}
			for _, p := range separators.Split(u.Path+"/"+u.RawQuery, -1) {
				if len(p) >= minPart {
					c.hide(p)
				}
			}
			return u.Scheme + "://" + u.Host
		}
		if !strings.ContainsAny(v, "@/?") {
			return v
		}
	case secret[key] && v != "":
	case shown[key], v == "", noDuration == nil, size.UnmarshalText([]byte(v)) == nil && len(v) < 10:
		return v
	}
	c.hide(v)
	// An error may repeat a part of it only.
	parts := separators.Split(v, -1)
	if conditions[key] {
		parts = quotedTexts.FindAllString(v, -1)
		for i := range parts {
			parts[i] = strings.Trim(parts[i], `"`)
		}
	}
	for _, p := range parts {
		if len(p) >= minPart && !words.MatchString(p) {
			c.secrets = append(c.secrets, p)
		}
	}
	return hidden
}

// minPart is the least length of a part of a hidden text that is looked for by itself.
const minPart = 8

// conditions are the keys whose texts are mostly words of their language, which are
// everywhere.
var conditions = map[string]bool{"match": true, "query": true, "condition": true, "summary": true}

var (
	separators  = regexp.MustCompile(`[\s/=&?:;,"']+`)
	quotedTexts = regexp.MustCompile(`"[^"]{8,}"`)
	words       = regexp.MustCompile(`^[a-z]+$`)
)

// hide keeps a text, and what it stands for, out of the report.
func (c *configuration) hide(v string) {
	c.secrets = append(c.secrets, v)
	if path, ok := strings.CutPrefix(v, "file:"); ok {
		if !filepath.IsAbs(path) {
			path = filepath.Join(c.dir, path)
		}
		if text, err := os.ReadFile(path); err == nil && len(text) < 64<<10 {
			c.secrets = append(c.secrets, strings.TrimSpace(string(text)))
		}
	}
	for _, m := range variable.FindAllStringSubmatch(v, -1) {
		c.secrets = append(c.secrets, os.Getenv(m[1]))
		if m[2] != "" {
			c.secrets = append(c.secrets, m[2])
		}
	}
}

var variable = regexp.MustCompile(`\$\{(\w+)(?::-([^}]*))?\}`)
