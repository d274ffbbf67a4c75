// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

const width = 100

// screen prints for humans: in color on a terminal, plain elsewhere.
type screen struct {
	w                               io.Writer
	bold, dim, green, red, off, bar string
}

func newScreen(f *os.File) *screen {
	s := &screen{w: f, bar: "─"}
	info, err := f.Stat()
	if err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" {
		s.bold, s.dim, s.green, s.red, s.off = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
	}
	return s
}

// chapter starts a part of the demo.
func (s *screen) chapter(title string) {
	rest := max(width-len([]rune(title))-4, 0)
	fmt.Fprintf(s.w, "\n%s%s%s %s %s%s\n", s.bold, s.bar, s.bar, title, strings.Repeat(s.bar, rest), s.off)
}

// say prints wrapped prose.
func (s *screen) say(text string) {
	fmt.Fprintln(s.w)
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			fmt.Fprintln(s.w, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	fmt.Fprintln(s.w, line)
}

// code prints lines to copy.
func (s *screen) code(lines ...string) {
	fmt.Fprintln(s.w)
	for _, line := range lines {
		fmt.Fprintln(s.w, strings.TrimRight("    "+line, " "))
	}
}

// command prints a command as a user would type it.
func (s *screen) command(line string) {
	fmt.Fprintf(s.w, "\n%s$ %s%s\n", s.bold, line, s.off)
}

func (s *screen) gap() { fmt.Fprintln(s.w) }

// output prints the output of a command.
func (s *screen) output(text string) {
	if text = strings.TrimRight(text, "\n"); text != "" {
		fmt.Fprintln(s.w, text)
	}
}

func (s *screen) met(what string) {
	fmt.Fprintf(s.w, "%s✓%s %s\n", s.green, s.off, what)
}

func (s *screen) unmet(what string, err error) {
	fmt.Fprintf(s.w, "%s✗ %s: %v%s\n", s.red, what, err, s.off)
}
