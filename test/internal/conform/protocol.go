package conform

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed protocols/*.yaml
var protocols embed.FS

// Protocol says how to ask an agent for a run, and what its answer looks like.
// $(NAME) in paths, headers and bodies is a variable; $(RUN_SECONDS) and $(TOKENS)
// are those of the run.
type Protocol struct {
	Name        string            `json:"-"` // of a built-in protocol, or the file
	Description string            `json:"description"`
	Variables   map[string]string `json:"variables"` // their defaults
	Requests    []Request         `json:"requests"`  // the last one is answered by the run
	// Chunk matches a line, or a WebSocket's message, that carries part of the answer.
	Chunk string `json:"chunk"`
	// End matches the last line of a complete answer. If it is empty, an answer is
	// complete when the server ends it properly.
	End string `json:"end"`
	// Failure matches a line that says that the run failed.
	Failure string `json:"failure"`

	chunk, end, failure *regexp.Regexp
}

// Request is one request of a protocol. With WebSocket, Body is the first message.
type Request struct {
	WebSocket bool               `json:"webSocket"`
	Method    string             `json:"method"`
	Path      string             `json:"path"`
	Headers   map[string]string  `json:"headers"`
	Body      string             `json:"body"`
	Capture   map[string]Capture `json:"capture"` // variables for the requests after it
}

// Capture takes a variable from an answer: from a header, or what the first group of a
// regular expression matches in the body.
type Capture struct {
	Header string `json:"header"`
	Body   string `json:"body"`
}

// Protocols returns the names of the built-in protocols.
func Protocols() []string {
	files, _ := fs.Glob(protocols, "protocols/*.yaml") // fails only for a pattern that is not valid
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(path.Base(file), ".yaml"))
	}
	return names
}

// LoadProtocol returns a built-in protocol, or the one that a file describes, with
// variables that take precedence over its own. Errors say what is wrong with the file.
func LoadProtocol(nameOrFile string, variables map[string]string) (*Protocol, error) {
	var text []byte
	var err error
	if slices.Contains(Protocols(), nameOrFile) {
		text, err = protocols.ReadFile("protocols/" + nameOrFile + ".yaml")
	} else if text, err = os.ReadFile(nameOrFile); err != nil {
		return nil, fmt.Errorf("%q is neither a protocol nor a file: use a file, or one of %s", nameOrFile, strings.Join(Protocols(), ", "))
	}
	if err != nil {
		return nil, err
	}
	p := &Protocol{Name: nameOrFile}
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		return nil, fmt.Errorf("protocol %s: %w", nameOrFile, err)
	}
	if err := p.complete(variables); err != nil {
		return nil, fmt.Errorf("protocol %s: %w", nameOrFile, err)
	}
	return p, nil
}

// complete compiles the patterns, and applies the variables.
func (p *Protocol) complete(variables map[string]string) error {
	var problems []error
	for _, pattern := range []struct {
		name, text string
		into       **regexp.Regexp
	}{{"chunk", p.Chunk, &p.chunk}, {"end", p.End, &p.end}, {"failure", p.Failure, &p.failure}} {
		if pattern.text == "" {
			continue
		}
		compiled, err := regexp.Compile(pattern.text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", pattern.name, err))
		}
		*pattern.into = compiled
	}
	if len(p.Requests) == 0 {
		problems = append(problems, errors.New("requests is empty: it needs at least the request for a run"))
	}
	if p.chunk == nil {
		problems = append(problems, errors.New("chunk is empty: it must match the lines that carry the answer"))
	}
	if p.Variables == nil {
		p.Variables = map[string]string{}
	}
	for name, value := range variables {
		if _, known := p.Variables[name]; !known {
			problems = append(problems, fmt.Errorf("it has no variable %s", name))
		}
		p.Variables[name] = value
	}
	return errors.Join(problems...)
}

var variable = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// expand replaces $(NAME) for each known name, as Kubernetes does in a container's env.
func expand(text string, variables map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(reference string) string {
		if value, known := variables[reference[2:len(reference)-1]]; known {
			return value
		}
		return reference
	})
}
