package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// tool is the command of ci/kube-validate.
const tool = "kube-validate"

// report is what the command prints.
type report struct {
	Version string
	Results []struct {
		Errors []struct {
			Field, Type, Detail string
			Value               any
		}
		Unchecked string
	}
}

// Command asks the command kube-validate, which is on PATH or next to this program.
// The error is exec.ErrNotFound if it is in neither place.
func Command(ctx context.Context, objects [][]byte) (Answer, error) {
	found, err := find()
	if err != nil {
		return Answer{}, err
	}
	command := exec.CommandContext(ctx, found)
	command.Stdin = bytes.NewReader(bytes.Join(objects, []byte("\n---\n")))
	command.WaitDelay = 5 * time.Second // a child of it may keep its output open
	out, err := command.Output()
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", tool, err)
	}
	var made report
	if err := json.Unmarshal(out, &made); err != nil {
		return Answer{}, fmt.Errorf("%s: its output cannot be read: %w", tool, err)
	}
	if len(made.Results) != len(objects) {
		return Answer{}, fmt.Errorf("%s answered for %d of %d objects", tool, len(made.Results), len(objects))
	}
	return made.answer(), nil
}

func find() (string, error) {
	found, err := exec.LookPath(tool)
	if err == nil {
		return found, nil
	}
	self, selfErr := os.Executable()
	if selfErr != nil {
		return "", errors.Join(exec.ErrNotFound, selfErr)
	}
	if found, nextErr := exec.LookPath(filepath.Join(filepath.Dir(self), tool)); nextErr == nil {
		return found, nil
	}
	return "", err
}

func (r report) answer() Answer {
	answer := Answer{By: tool + " " + r.Version, Unchecked: map[int]string{}}
	for i, result := range r.Results {
		if result.Unchecked != "" {
			answer.Unchecked[i] = result.Unchecked
		}
		for _, refused := range result.Errors {
			value := ""
			switch typed := refused.Value.(type) {
			case nil:
			case string:
				value = fmt.Sprintf("%q", typed)
			default:
				value = fmt.Sprint(typed)
			}
			answer.Refusals = append(answer.Refusals, Refusal{i, path(refused.Field), sentence(refused.Type, value, refused.Detail)})
		}
	}
	return answer
}
