package node

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/file"
	"github.com/syslane/syslane/inputs/unixsock"
	"github.com/syslane/syslane/internal/config"
)

func unixInput(t config.Table, name string, s services) (*inputSettings, openInput, error) {
	var c struct {
		inputSettings
		Path string `toml:"path,required"`
		// Stream makes it a stream socket. Default: datagrams.
		Stream bool `toml:"stream"`
		// Mode are the permissions of the socket file, octal. Default "0666".
		Mode           string `toml:"mode" default:"0666"`
		MaxConnections int    `toml:"max_connections" default:"1000"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	if !filepath.IsAbs(c.Path) {
		return nil, nil, t.Errorf("path", "want an absolute path, as \"/dev/log\"")
	}
	var mode uint64
	if c.Mode != "" {
		var err error
		if mode, err = strconv.ParseUint(c.Mode, 8, 32); err != nil || mode == 0 || mode > 0o777 {
			return nil, nil, t.Errorf("mode", "want octal permissions, as \"0660\"")
		}
	}
	return &c.inputSettings, func(r prometheus.Registerer) (inputs.Input, error) {
		return unixsock.New(unixsock.Config{
			Name: name, Path: c.Path, Stream: c.Stream, Mode: fs.FileMode(mode), Host: s.host,
			MaxMessageSize: int(c.MaxMessageSize), MaxConnections: c.MaxConnections,
			Logger: s.logger, Registerer: r,
		})
	}, nil
}

func fileInput(t config.Table, name string, s services) (*inputSettings, openInput, error) {
	var c struct {
		inputSettings
		// Include are patterns of absolute paths; Exclude of paths, or of names.
		Include      []string      `toml:"include,required"`
		Exclude      []string      `toml:"exclude"`
		FlushAfter   time.Duration `toml:"flush_after" default:"10s"`
		ScanInterval time.Duration `toml:"scan_interval" default:"10s"`
		MaxOpenFiles int           `toml:"max_open_files" default:"512"`
		MaxFiles     int           `toml:"max_files" default:"20000"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	for i, p := range c.Include {
		if err := file.CheckInclude(p); err != nil {
			return nil, nil, t.Errorf(fmt.Sprintf("include[%d]", i), "%v", err)
		}
	}
	for i, p := range c.Exclude {
		if err := file.CheckExclude(p); err != nil {
			return nil, nil, t.Errorf(fmt.Sprintf("exclude[%d]", i), "%v", err)
		}
	}
	c.include = c.Include
	return &c.inputSettings, func(r prometheus.Registerer) (inputs.Input, error) {
		return file.New(file.Config{
			Name: name, Include: c.Include, Exclude: c.Exclude, Host: s.host, MaxMessageSize: int(c.MaxMessageSize),
			FlushAfter: c.FlushAfter, ScanInterval: c.ScanInterval, MaxOpenFiles: c.MaxOpenFiles, MaxFiles: c.MaxFiles,
			Logger: s.logger, Registerer: r,
		})
	}, nil
}
