package release

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	helm "helm.sh/helm/v3/pkg/chart"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/check"
)

// bomSuffix is the suffix of the file with an SBOM.
const bomSuffix = ".spdx.json"

// chartBOM returns the SBOM of a chart's archive: the chart, and the images that it
// runs with these values files.
func chartBOM(c *helm.Chart, content []byte, at time.Time, values []string) ([]byte, error) {
	images, err := imagesOf(content, values)
	if err != nil {
		return nil, err
	}
	name := c.Name() + "-" + c.Metadata.Version
	root := component("chart", c.Name(), c.Metadata.Version, fmt.Sprintf("pkg:helm/%s@%s", c.Name(), c.Metadata.Version))
	root.PackageFileName = name + ".tgz"
	root.PackageLicenseDeclared = c.Metadata.Annotations["artifacthub.io/license"]
	root.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: fmt.Sprintf("%x", sha256.Sum256(content))}}
	document := &spdx.Document{
		DocumentName: name, Packages: []*spdx.Package{root},
		CreationInfo:  &spdx.CreationInfo{Creators: []common.Creator{{CreatorType: "Tool", Creator: "ai-agent-release"}}},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", common.TypeRelationshipDescribe, root)},
	}
	for i, image := range images {
		repository, version, purl := reference(image)
		run := component(fmt.Sprint("image-", i), repository, version, purl)
		document.Packages = append(document.Packages, run)
		document.Relationships = append(document.Relationships, relation(root.PackageSPDXIdentifier, common.TypeRelationshipDependsOn, run))
	}
	return finish(document, at)
}

// imagesOf returns the images of all containers of a release with these values files.
func imagesOf(archive []byte, values []string) ([]string, error) {
	loaded, err := chart.Read(archive)
	if err != nil {
		return nil, err
	}
	manifest, err := loaded.Render(chart.Options{Files: values})
	if err != nil {
		return nil, fmt.Errorf("cannot render the chart to list its images: %w", err)
	}
	objects, err := chart.Decode(manifest)
	if err != nil {
		return nil, err
	}
	return check.Images(objects), nil
}

// reference returns the parts of an image's reference, and its package URL:
// https://github.com/package-url/purl-spec/blob/main/types/oci-definition.json.
func reference(image string) (repository, version, purl string) {
	repository, tag, digest := check.SplitImage(image)
	digest = strings.TrimPrefix(digest, "@")
	purl = "pkg:oci/" + strings.ToLower(path.Base(repository))
	if digest != "" {
		purl += "@" + url.QueryEscape(digest)
	}
	qualifiers := url.Values{"repository_url": {repository}}
	if tag != "" {
		qualifiers.Set("tag", tag)
	}
	return repository, cmp.Or(digest, tag), purl + "?" + qualifiers.Encode()
}

func component(id, name, version, purl string) *spdx.Package {
	return &spdx.Package{
		PackageSPDXIdentifier: common.ElementID(id), PackageName: name, PackageVersion: version,
		PackageDownloadLocation: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: purl,
		}},
	}
}

func relation(from common.ElementID, kind string, to *spdx.Package) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: common.DocElementID{ElementRefID: from}, Relationship: kind,
		RefB: common.DocElementID{ElementRefID: to.PackageSPDXIdentifier},
	}
}

// programBOM returns the SBOM of a program: the Go modules that syft finds in it.
func programBOM(ctx context.Context, program, name, version string, at time.Time) ([]byte, error) {
	scan := exec.CommandContext(ctx, "syft", "scan", "file:"+program, "--quiet", "--output", "spdx-json", "--source-name", name, "--source-version", version)
	scan.Env = append(os.Environ(), "SYFT_CHECK_FOR_APP_UPDATE=false")
	var problems bytes.Buffer
	scan.Stderr = &problems
	out, err := scan.Output()
	if err != nil {
		return nil, fmt.Errorf("the SBOM of %s: syft: %w\n%s", name, err, bytes.TrimSpace(problems.Bytes()))
	}
	document, err := json.Read(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("the SBOM of %s: %w", name, err)
	}
	return finish(document, at)
}

// finish returns a document as JSON that depends on its content and the time alone.
func finish(document *spdx.Document, at time.Time) ([]byte, error) {
	document.SPDXVersion, document.DataLicense, document.SPDXIdentifier = spdx.Version, spdx.DataLicense, "DOCUMENT"
	document.CreationInfo.Created, document.DocumentNamespace = at.Format(time.RFC3339), ""
	var content bytes.Buffer
	if err := json.Write(document, &content); err != nil {
		return nil, err
	}
	document.DocumentNamespace = fmt.Sprintf("https://spdx.org/spdxdocs/%s-%x", document.DocumentName, sha256.Sum256(content.Bytes()))
	content.Reset()
	err := json.Write(document, &content, json.Indent("  "), json.EscapeHTML(false))
	return content.Bytes(), err
}
