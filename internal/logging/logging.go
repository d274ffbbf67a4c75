// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
)

// Options are the flags of the log.
type Options struct {
	LogLevel  string
	LogFormat string
}

// DefaultOptions returns the options of a command without flags.
func DefaultOptions() Options { return Options{LogLevel: "info", LogFormat: "json"} }

// Bind adds the flags to a set, with the options as defaults.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.LogLevel, "log-level", o.LogLevel, "minimum `level` of log entries: debug, info, warn or error")
	flags.StringVar(&o.LogFormat, "log-format", o.LogFormat, "`format` of the log: json or text")
}

// Validate returns an error that names each invalid flag and its allowed values.
func (o *Options) Validate() error {
	var errs []error
	if !slices.Contains([]string{"json", "text"}, o.LogFormat) {
		errs = append(errs, fmt.Errorf("--log-format is %q, but must be json or text", o.LogFormat))
	}
	_, err := o.level()
	return errors.Join(append(errs, err)...)
}

func (o *Options) level() (slog.Level, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, known := levels[o.LogLevel]
	if !known {
		return 0, fmt.Errorf("--log-level is %q, but must be debug, info, warn or error", o.LogLevel)
	}
	return level, nil
}

// Logger returns a logger that writes to standard error. The options must be valid.
func (o *Options) Logger() logr.Logger {
	level, _ := o.level() // validated
	handlerOptions := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "text" {
		return logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, handlerOptions))
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, handlerOptions))
}
