// Package chart renders charts/ai-agent and reads what came out, strictly: an
// unknown field, a wrong kind or a key given twice is an error.
package chart

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"ai-agent/test/internal/repo"
)

// Dir returns the chart's folder.
func Dir() string { return repo.Path("charts", "ai-agent") }

// Values are single values as `helm --set-json` takes them: a dotted path and JSON.
type Values map[string]string

// Objects are the objects of one render, typed.
type Objects []runtime.Object

// Render renders the release ai-agent with the helm command and the given
// further arguments of it. A render that fails, or a manifest that does not
// decode strictly, fails the test.
func Render(t *testing.T, values Values, args ...string) Objects {
	t.Helper()
	manifest, err := Template(t, values, args...)
	require.NoError(t, err)
	objects, err := Decode(manifest)
	require.NoError(t, err)
	return objects
}

// Template returns the manifest that Render decodes, or helm's error.
func Template(t *testing.T, values Values, args ...string) (string, error) {
	options := &helm.Options{SetJSONValues: values, Logger: logger.Discard}
	return helm.RenderTemplateContextE(t, t.Context(), options, Dir(), "ai-agent", nil, args...)
}

// customResources are the API groups that the chart has objects of and that
// are not Kubernetes' own. Their objects stay untyped.
var customResources = map[string]bool{
	"bitnami.com":                true,
	"cloud.google.com":           true,
	"external-secrets.io":        true,
	"gateway.networking.k8s.io":  true,
	"monitoring.coreos.com":      true,
	"secrets-store.csi.x-k8s.io": true,
}

// Decode reads a manifest of one or more YAML documents into the types of
// k8s.io/api, custom resources into unstructured ones. Empty documents are left
// out.
func Decode(manifest string) (Objects, error) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	var objects Objects
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if isEmpty(document) {
			continue
		}
		object, err := decodeOne(decoder, document)
		if err != nil {
			return nil, fmt.Errorf("%w in:\n%s", err, document)
		}
		objects = append(objects, object)
	}
}

func decodeOne(decoder runtime.Decoder, document []byte) (runtime.Object, error) {
	object, _, err := decoder.Decode(document, nil, nil)
	if !runtime.IsNotRegisteredError(err) {
		return object, err
	}
	custom := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict(document, &custom.Object); err != nil {
		return nil, err
	}
	if !customResources[custom.GroupVersionKind().Group] {
		return nil, err
	}
	return custom, nil
}

// isEmpty reports whether a document holds nothing but comments.
func isEmpty(document []byte) bool {
	for line := range bytes.Lines(document) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

// All returns the objects of one type.
func All[T runtime.Object](objects Objects) []T {
	var found []T
	for _, object := range objects {
		if typed, ok := object.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// One returns the only object of its type; none or several fail the test.
func One[T runtime.Object](t *testing.T, objects Objects) T {
	t.Helper()
	found := All[T](objects)
	require.Lenf(t, found, 1, "objects of type %T", *new(T))
	return found[0]
}
