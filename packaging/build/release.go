package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// firstVersion is what commits before the first tag lead to.
const firstVersion = "0.1.0"

// release is what is being packaged.
type release struct {
	// version is as deb and rpm sort it: "1.2.0" of the tag v1.2.0,
	// "1.2.0+7.gc0ffee123456" seven commits later, and before the first tag
	// "0.1.0~20261126025812.gc0ffee123456" by the commit's time.
	version string
	// commit is the whole name of the commit, "" where there is no repository.
	commit string
	// time is that of the commit.
	time time.Time
}

var described = regexp.MustCompile(`^v([0-9][0-9.]*)(?:-([0-9]+)-g([0-9a-f]+))?$`)

// releaseOf asks git. version overrides what it says.
func releaseOf(ctx context.Context, source, version string) (r release, err error) {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", source}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if r.commit, err = git("rev-parse", "HEAD"); err != nil {
		if version == "" || seconds == "" {
			return r, errors.New("no git repository here: give -version and SOURCE_DATE_EPOCH")
		}
	} else if seconds == "" {
		if seconds, err = git("log", "-1", "--format=%ct"); err != nil {
			return r, fmt.Errorf("time of the commit: %w", err)
		}
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return r, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r.time = time.Unix(n, 0).UTC()
	if r.version = version; version != "" {
		return r, nil
	}
	if tag, err := git("describe", "--tags", "--match=v[0-9]*", "--abbrev=12"); err == nil {
		m := described.FindStringSubmatch(tag)
		if m == nil {
			return r, fmt.Errorf("tag %s: want v and numbers, as v1.2.0", tag)
		}
		if r.version = m[1]; m[2] != "" {
			r.version += "+" + m[2] + ".g" + m[3]
		}
	} else {
		r.version = fmt.Sprintf("%s~%s.g%s", firstVersion, r.time.Format("20060102150405"), r.commit[:12])
	}
	changed, err := git("status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return r, err
	}
	if changed != "" {
		r.version += "+dirty"
	}
	return r, nil
}
