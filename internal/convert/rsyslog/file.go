package rsyslog

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/convert"
)

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// write adds a file output.
func (t *translator) write(st *statement, when convert.Cond, path, dynamic, template string) {
	switch {
	case dynamic != "" && t.templates[dynamic] == "":
		t.lose(st, "the names of its files come from the template %q, which is not known as a string", dynamic)
		return
	case dynamic != "":
		var err error
		if path, err = filePath(t.templates[dynamic]); err != nil {
			t.lose(st, "%v", err)
			return
		}
	}
	switch {
	case !filepath.IsAbs(path) || filepath.Clean(path) == "/" || dynamic == "" && strings.ContainsAny(path, "{}"):
		t.lose(st, "an output writes files with an absolute path, not %q", path)
		return
	case strings.HasPrefix(path, "/dev/"):
		t.lose(st, "an output writes files, no terminals and devices")
		return
	}
	base := strings.TrimSuffix(filepath.Base(path), ".log")
	if dynamic != "" {
		base = dynamic
	}
	out := t.draft.Output(st.at, "file", "file-"+base, func(o *convert.Table) { o.Set("path", filepath.Clean(path)) })
	if names := strings.ToLower(t.templates[dynamic]); strings.Contains(names, "%programname") || strings.Contains(names, "%app-name") {
		out.Comment("the name of a program ended at a slash there: here {app} of postfix/smtpd has both, in another file than that of postfix")
	}
	switch template {
	case "", "RSYSLOG_TraditionalFileFormat":
		out.Comment("lines have the time with year and zone, as RSYSLOG_FileFormat has it")
	case "RSYSLOG_FileFormat":
	default:
		out.Comment("the template %s is not translated: lines are as in RSYSLOG_FileFormat; format = \"json\" and \"raw\" are others", template)
	}
	t.send(st, when, out)
}

// fields of templates that a path may have.
var pathFields = map[string]string{
	"hostname": "{host}", "source": "{host}", "fromhost": "{host}", "fromhost-ip": "{source}", "programname": "{app}", "app-name": "{app}",
	"syslogfacility-text": "{facility}", "syslogseverity-text": "{severity}", "inputname": "{input}",
	"$year": "{year}", "$month": "{month}", "$day": "{day}", "$hour": "{hour}",
	"timegenerated:1:4:date-rfc3339": "{year}", "timegenerated:6:7:date-rfc3339": "{month}", "timegenerated:9:10:date-rfc3339": "{day}",
	"timereported:1:4:date-rfc3339": "{year}", "timereported:6:7:date-rfc3339": "{month}", "timereported:9:10:date-rfc3339": "{day}",
	"$now": "{year}-{month}-{day}",
}

var templateField = regexp.MustCompile(`%([^%]*)%`)

// filePath translates a template of file names.
func filePath(text string) (string, error) {
	if strings.ContainsAny(text, "{}") {
		return "", fmt.Errorf("braces in a file name: %s", text)
	}
	var err error
	out := templateField.ReplaceAllStringFunc(text, func(m string) string {
		name := strings.ToLower(strings.Trim(m, "%"))
		if f := pathFields[name]; f != "" {
			return f
		}
		// Options as secpath-replace: names are made safe here in any case.
		if plain, options, _ := strings.Cut(name, ":"); pathFields[plain] != "" && strings.HasPrefix(options, "::") {
			return pathFields[plain]
		}
		err = fmt.Errorf("%s in a file name: there are {host} {app} {input} {source} {facility} {severity} {year} {month} {day} {hour}", m)
		return ""
	})
	if err == nil && strings.Contains(out, "%") {
		err = fmt.Errorf("a percent sign in a file name: %s", text)
	}
	return out, err
}
