package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"time"

	"helm.sh/helm/v3/pkg/repo"
	"sigs.k8s.io/yaml"
)

// writeIndex lists the archives of a folder in its index.yaml. The times are those of
// the commits, so that the same archives have the same index.
func writeIndex(folder, url string) error {
	index, err := repo.IndexDirectory(folder, url)
	if err != nil {
		return err
	}
	index.Generated = time.Time{}
	for name, versions := range index.Entries {
		for _, version := range versions {
			created, err := timeOf(filepath.Join(folder, name+"-"+version.Version+".tgz"))
			if err != nil {
				return err
			}
			version.Created = created
			if created.After(index.Generated) {
				index.Generated = created
			}
		}
	}
	index.SortEntries()
	content, err := yaml.Marshal(index)
	if err != nil {
		return err
	}
	return replace(filepath.Join(folder, "index.yaml"), content)
}

// timeOf returns the time of the first file in an archive.
func timeOf(archive string) (time.Time, error) {
	content, err := os.ReadFile(archive)
	if err != nil {
		return time.Time{}, err
	}
	uncompressed, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return time.Time{}, err
	}
	header, err := tar.NewReader(uncompressed).Next()
	if err != nil {
		return time.Time{}, err
	}
	return header.ModTime.UTC(), nil
}
