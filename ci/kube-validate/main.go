// Command kube-validate reads a stream of Kubernetes objects (YAML or JSON) on its
// standard input. For each document it writes what the API server of its version
// would refuse when the object is created, as one JSON array. It asks no cluster.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	_ "time/tzdata" // the zones of CronJobs must not depend on this machine

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// version is that of Kubernetes; the linker sets it.
var version = "unknown"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println(version)
		return
	}
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kube-validate:", err)
		os.Exit(1)
	}
}

// output is what the command writes.
type output struct {
	Version string   `json:"version"`
	Results []result `json:"results"` // one for each document, also an empty one
}

func run(in io.Reader, out io.Writer) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(in))
	made := output{version, []result{}}
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return json.NewEncoder(out).Encode(made)
		}
		if err != nil {
			return err
		}
		made.Results = append(made.Results, validate(document))
	}
}
