package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	apiservice "k8s.io/kubernetes/pkg/api/service"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/capabilities"
)

// Every usual cluster sets this flag of the API server: Pod Security decides instead.
func init() { capabilities.Setup(true, 0) }

// result is what the API server says about one document.
type result struct {
	Object    string       `json:"object"` // Kind/name
	Errors    []fieldError `json:"errors,omitempty"`
	Unchecked string       `json:"unchecked,omitempty"` // why the object was not validated
}

// fieldError is one reason to refuse an object.
type fieldError struct {
	Field  string `json:"field"`
	Type   string `json:"type"`
	Value  any    `json:"value,omitempty"` // only where it cannot be a secret
	Detail string `json:"detail,omitempty"`
}

// validate validates one document, with the defaults of its version.
func validate(document []byte) result {
	object, kind, err := legacyscheme.Codecs.UniversalDecoder().Decode(document, nil, nil)
	var made result
	if kind != nil {
		made.Object = kind.Kind + "/"
	}
	if runtime.IsMissingKind(err) || runtime.IsNotRegisteredError(err) {
		made.Unchecked = "it is not a kind of Kubernetes"
		return made
	}
	if err != nil {
		made.Unchecked = "it cannot be decoded" // the error may quote a value
		return made
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		made.Unchecked = "it has no metadata"
		return made
	}
	made.Object += accessor.GetName()
	strategy, ok := strategies[kind.GroupKind()]
	if !ok {
		made.Unchecked = fmt.Sprintf("this version of kube-validate does not cover the kind %s", kind.Kind)
		return made
	}
	made.Errors = refusals(strategy, object, *kind)
	return made
}

// refusals returns why the API server would not create an object.
func refusals(strategy rest.RESTCreateStrategy, object runtime.Object, kind schema.GroupVersionKind) []fieldError {
	metadata, _ := meta.Accessor(object) // the caller has it, too
	if metadata.GetName() == "" && metadata.GetGenerateName() != "" {
		metadata.SetName(strategy.GenerateName(metadata.GetGenerateName()))
	}
	namespace := metadata.GetNamespace()
	if namespace == "" {
		namespace = "default"
	}
	metadata.SetNamespace(rest.ExpectedNamespaceForScope(namespace, strategy.NamespaceScoped()))
	rest.FillObjectMetaSystemFields(metadata)
	if service, ok := object.(*core.Service); ok {
		allocate(service)
	}
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	ctx := request.WithRequestInfo(request.WithNamespace(context.Background(), metadata.GetNamespace()), &request.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: kind.Group, APIVersion: kind.Version, Resource: resource.Resource,
	})
	strategy.PrepareForCreate(ctx, object)
	var refused []fieldError
	for _, err := range rest.ValidateCreate(ctx, object, strategy) {
		refused = append(refused, describe(err, kind.Kind == "Secret"))
	}
	return refused
}

// allocate sets what the API server sets before it validates a new Service. What it
// allocates, an address or a free port, does not matter to the validation.
func allocate(service *core.Service) {
	spec := &service.Spec
	if spec.ClusterIP != "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
	if apiservice.NeedsHealthCheck(service) && spec.HealthCheckNodePort == 0 {
		spec.HealthCheckNodePort = 30000
	}
}

// describe returns an error without any value that may be a secret.
func describe(err *field.Error, isSecret bool) fieldError {
	described := fieldError{Field: err.Field, Type: err.Type.String(), Detail: err.Detail}
	if isSecret {
		if err.BadValue == "<secret contents redacted>" {
			described.Detail = "" // it may quote a part
		}
		return described
	}
	value := reflect.ValueOf(err.BadValue)
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	switch value.Kind() {
	case reflect.Bool:
		described.Value = value.Bool()
	case reflect.Int, reflect.Int32, reflect.Int64:
		described.Value = value.Int()
	case reflect.String:
		if slices.Contains([]field.ErrorType{field.ErrorTypeDuplicate, field.ErrorTypeNotFound, field.ErrorTypeNotSupported}, err.Type) {
			described.Value = value.String() // a name or a constant
		}
	}
	return described
}
