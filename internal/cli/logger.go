package cli

import (
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/syslane/syslane/internal/node"
)

// newLogger makes the log on standard error in which Syslane speaks of itself: JSON for a journal
// or a file, text for a person at a terminal.
func newLogger(cfg node.LoggingConfig) zerolog.Logger {
	w := os.Stderr
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil || cfg.Level == "" {
		level = zerolog.InfoLevel
	}
	text := cfg.Format == "text" || cfg.Format != "json" && term.IsTerminal(int(w.Fd()))
	if text {
		return zerolog.New(zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}).Level(level).With().Timestamp().Logger()
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}
