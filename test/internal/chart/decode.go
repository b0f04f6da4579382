package chart

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// Objects are the objects of one render, typed.
type Objects []runtime.Object

// Decode reads a manifest of one or more YAML documents into the types of
// k8s.io/api, custom resources into unstructured ones. Empty documents are left
// out.
func Decode(manifest string) (Objects, error) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents, err := Documents([]byte(manifest))
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

// Documents returns the YAML documents of a file that hold more than comments.
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

func decodeOne(decoder runtime.Decoder, document []byte) (runtime.Object, error) {
	object, _, err := decoder.Decode(document, nil, nil)
	if !runtime.IsNotRegisteredError(err) {
		return object, err
	}
	custom := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict(document, &custom.Object); err != nil {
		return nil, err
	}
	if scheme.Scheme.IsGroupRegistered(custom.GroupVersionKind().Group) {
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
