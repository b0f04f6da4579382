// Package release packages, builds and publishes releases of the chart: the same commit
// and version of Go give the same bytes, on any machine.
package release

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"
)

// source is the commit that is released. Everything is read from it, not from the
// working tree, whose line endings and modes depend on the machine.
type source struct {
	root   string // of the repository
	commit string
	time   time.Time // of the commit
}

// ErrDirty means that the working tree differs from the commit.
var ErrDirty = errors.New("the working tree has uncommitted changes, which the release would not contain: commit, stash or discard them")

// head returns the commit that is checked out.
func head(ctx context.Context, root string) (source, error) {
	line, err := git(ctx, root, "log", "-1", "--format=%H %ct")
	if err != nil {
		return source{}, err
	}
	commit, at, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("the time of commit %s: %w", commit, err)
	}
	return source{root, commit, time.Unix(seconds, 0).UTC()}, nil
}

// clean returns ErrDirty if the working tree differs from the commit.
func (s source) clean(ctx context.Context) error {
	changed, err := git(ctx, s.root, "status", "--porcelain")
	if err != nil || len(changed) == 0 {
		return err
	}
	return fmt.Errorf("%w:\n%s", ErrDirty, bytes.TrimRight(changed, "\n"))
}

// file returns a file of the commit.
func (s source) file(ctx context.Context, path string) ([]byte, error) {
	return git(ctx, s.root, "show", s.commit+":"+path)
}

// metadata returns the chart's Chart.yaml.
func (s source) metadata(ctx context.Context) (chart.Metadata, error) {
	content, err := s.file(ctx, folder+"/Chart.yaml")
	if err != nil {
		return chart.Metadata{}, err
	}
	var metadata chart.Metadata
	if err := yaml.Unmarshal(content, &metadata); err != nil {
		return chart.Metadata{}, fmt.Errorf("%s/Chart.yaml: %w", folder, err)
	}
	return metadata, nil
}

// export writes a folder of the commit to another folder.
func (s source) export(ctx context.Context, folder, to string) error {
	// As the repository has them, whatever this machine sets for line endings.
	plain := []string{"-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.attributesFile=/dev/null"}
	content, err := git(ctx, s.root, append(plain, "archive", "--format=tar", s.commit, "--", folder)...)
	if err != nil {
		return err
	}
	archive := tar.NewReader(bytes.NewReader(content))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		name, err := filepath.Rel(folder, filepath.FromSlash(header.Name))
		if err != nil {
			return err
		}
		path := filepath.Join(to, name)
		data, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			return err
		}
	}
}

func git(ctx context.Context, root string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	out, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("git %s: %s", strings.Join(args, " "), bytes.TrimSpace(failed.Stderr))
	}
	return out, err
}
