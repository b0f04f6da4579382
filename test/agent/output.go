package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"example.com/ai-agent/test/agent/output"
)

// format is the value of a flag --output.
type format string

const (
	asText format = "text"
	asJSON format = "json"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "text|json" }

func (f *format) Set(value string) error {
	if value != string(asText) && value != string(asJSON) {
		return errors.New("use text or json")
	}
	*f = format(value)
	return nil
}

// events returns a function that prints the events of runs to w as they arrive.
// Each JSON line is one write: a container's log shows it at once.
func (f format) events(w io.Writer) func(output.Event) {
	lines := json.NewEncoder(w)
	return func(event output.Event) {
		switch {
		case f == asJSON:
			_ = lines.Encode(event)
		case event.Event == output.Token:
			fmt.Fprint(w, event.Text)
		case event.Event == output.Ended:
			fmt.Fprintln(w)
		}
	}
}

// checks prints the results of checks to w.
func (f format) checks(w io.Writer, results output.Checks) {
	if f == asJSON {
		_ = json.NewEncoder(w).Encode(results)
		return
	}
	for _, result := range results.Checks {
		if result.OK {
			fmt.Fprintln(w, "ok    ", result.Check, result.Target)
			continue
		}
		fmt.Fprintf(w, "failed %s %s: %s\n", result.Check, result.Target, result.Error)
	}
}

// exitError ends the process with its code. JSON on standard output says it all,
// so nothing is added to it: a container's log mixes both streams.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

func (f format) exit(code int, message string) error {
	if f == asJSON {
		message = ""
	}
	return &exitError{code, message}
}
