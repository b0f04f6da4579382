package chart

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// Objects are the objects of one render, typed.
type Objects []runtime.Object

// Decode reads a manifest of one or more YAML documents into the types of k8s.io/api,
// and custom resources into unstructured ones. It omits empty documents, and returns
// the items of a List.
func Decode(manifest string) (Objects, error) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents, err := Manifests(manifest)
	if err != nil {
		return nil, err
	}
	var objects Objects
	for _, document := range documents {
		object, err := decodeOne(decoder, document)
		if err != nil {
			return nil, fmt.Errorf("%w in:\n%s", err, document)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// Documents returns the YAML documents of a file, except for those with nothing but
// comments.
func Documents(file []byte) ([][]byte, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file)))
	var documents [][]byte
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		if !isEmpty(document) {
			documents = append(documents, document)
		}
	}
}

// Manifests returns the YAML documents of a manifest as Documents does, with those of
// the items in place of a List.
func Manifests(manifest string) ([][]byte, error) {
	documents, err := Documents([]byte(manifest))
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, document := range documents {
		items, err := items(document)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	return all, nil
}

// items returns the items of a List, which have its kind and version by default, or
// else the document itself.
func items(document []byte) ([][]byte, error) {
	var list struct {
		APIVersion, Kind string
		Items            []Map
	}
	err := yaml.Unmarshal(document, &list)
	kind, isList := strings.CutSuffix(list.Kind, "List")
	if err != nil || !isList || list.Items == nil {
		return [][]byte{document}, nil // decoding it says what is wrong
	}
	var documents [][]byte
	for _, item := range list.Items {
		if item["kind"] == nil && kind != "" {
			item = Merge(Map{"apiVersion": list.APIVersion, "kind": kind}, item)
		}
		text, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		documents = append(documents, text)
	}
	return documents, nil
}

func decodeOne(decoder runtime.Decoder, document []byte) (runtime.Object, error) {
	text, err := strictJSON(document)
	if err != nil {
		return nil, err
	}
	object, _, err := decoder.Decode(text, nil, nil)
	if !runtime.IsNotRegisteredError(err) {
		return object, err
	}
	custom := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &custom.Object); err != nil {
		return nil, err
	}
	if scheme.Scheme.IsGroupRegistered(custom.GroupVersionKind().Group) {
		return nil, err
	}
	return custom, nil
}

// strictJSON converts a document, in which it refuses duplicate keys. The strict mode
// of the YAML library refuses a key that overrides a merged one, too.
func strictJSON(document []byte) ([]byte, error) {
	var node yamlv3.Node
	if err := yamlv3.Unmarshal(document, &node); err != nil {
		return nil, err
	}
	if duplicates := Duplicates(&node); len(duplicates) > 0 {
		return nil, errors.New(duplicates[0].String())
	}
	return yaml.YAMLToJSON(document)
}

// isEmpty reports whether a document has nothing but comments.
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
