package release

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// folder has the chart in the repository.
const folder = "charts/ai-agent"

// packaged returns the chart of a commit, and its archive as Helm packages it.
func packaged(ctx context.Context, from source) (*chart.Chart, []byte, error) {
	temporary, err := os.MkdirTemp("", "release-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(temporary)
	if err := from.export(ctx, folder, temporary); err != nil {
		return nil, nil, err
	}
	license, err := from.file(ctx, "LICENSE")
	if err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(filepath.Join(temporary, "LICENSE"), license, 0o644); err != nil {
		return nil, nil, err
	}
	loaded, err := loader.LoadDir(temporary) // without what .helmignore names
	if err != nil {
		return nil, nil, err
	}
	content, err := archive(loaded, from.time)
	return loaded, content, err
}

// archive returns a chart as the bytes of a .tgz, which depend on its files and the
// time alone: Helm's own have the time of the call.
func archive(c *chart.Chart, at time.Time) ([]byte, error) {
	files := slices.Clone(c.Raw)
	slices.SortFunc(files, func(a, b *chart.File) int {
		return cmp.Or(rank(a.Name)-rank(b.Name), cmp.Compare(a.Name, b.Name))
	})
	var content bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&content, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	entries := tar.NewWriter(compressed)
	for _, file := range files {
		header := &tar.Header{Name: path.Join(c.Name(), file.Name), Mode: 0o644, Size: int64(len(file.Data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := entries.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := entries.Write(file.Data); err != nil {
			return nil, err
		}
	}
	if err := entries.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

// rank puts Chart.yaml first, where tools that stream an archive look for it.
func rank(name string) int {
	if name == "Chart.yaml" {
		return 0
	}
	return 1
}
