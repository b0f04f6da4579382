package apiserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// patience is how long a server may take to answer one request.
const patience = 10 * time.Second

// Cluster is one that kubectl knows, and that has an API server to ask by dry run. The
// zero value is that of the current context and its namespace.
type Cluster struct{ Context, Namespace string }

// server is a connection to a cluster.
type server struct {
	by        string
	namespace string
	client    dynamic.Interface
	mapper    meta.RESTMapper
}

// Ask asks the API server, which stores nothing. It is asked about objects without a
// namespace in that of the cluster.
func (c Cluster) Ask(ctx context.Context, objects [][]byte) (Answer, error) {
	s, err := c.connect()
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{By: s.by, Unchecked: map[int]string{}}
	for i, document := range objects {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return Answer{}, err
		}
		err := s.create(ctx, object)
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		if err := s.explain(err, i, object, &answer); err != nil {
			return Answer{}, err
		}
	}
	return answer, nil
}

func (c Cluster) connect() (*server, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	overrides.Context.Namespace = c.Namespace
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), overrides)
	raw, err := loaded.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("--server: the kubeconfig cannot be read: %w", err)
	}
	raw.CurrentContext = cmp.Or(c.Context, raw.CurrentContext)
	if raw.Contexts[raw.CurrentContext] == nil {
		return nil, fmt.Errorf("--server: the kubeconfig has no current context: set one with `kubectl config use-context`")
	}
	config, err := loaded.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("--server: the context %s: %w", raw.CurrentContext, err)
	}
	namespace, _, err := loaded.Namespace()
	if err != nil {
		return nil, fmt.Errorf("--server: the context %s: %w", raw.CurrentContext, err)
	}
	config.Timeout, config.QPS, config.Burst = patience, 50, 100
	config.WarningHandler = rest.NoWarnings{} // they would go to stderr
	finder, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("--server: the context %s: %w", raw.CurrentContext, err)
	}
	version, err := finder.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("--server: the cluster of the context %s cannot be reached: %w", raw.CurrentContext, err)
	}
	groups, err := restmapper.GetAPIGroupResources(finder)
	if err != nil {
		return nil, fmt.Errorf("--server: the cluster of the context %s does not list its kinds: %w", raw.CurrentContext, err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("--server: the context %s: %w", raw.CurrentContext, err)
	}
	by := fmt.Sprintf("a dry run by the API server %s of the context %s", version.GitVersion, raw.CurrentContext)
	return &server{by, namespace, client, restmapper.NewDiscoveryRESTMapper(groups)}, nil
}

// create creates an object by dry run. If one of its name exists, that is no error:
// the server validates before it looks for one.
func (s *server) create(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := s.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	resource := dynamic.ResourceInterface(s.client.Resource(mapping.Resource))
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace := object.GetNamespace()
		if namespace == "" {
			namespace = s.namespace
		}
		resource = s.client.Resource(mapping.Resource).Namespace(namespace)
	}
	_, err = resource.Create(ctx, object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationIgnore})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// explain adds what an error says about an object. It returns errors that are not about
// the object.
func (s *server) explain(err error, i int, object *unstructured.Unstructured, answer *Answer) error {
	if err == nil {
		return nil
	}
	status, isStatus := err.(apierrors.APIStatus)
	switch {
	case meta.IsNoMatchError(err):
		answer.Unchecked[i] = "the cluster does not have this kind"
	case isStatus && apierrors.IsInvalid(err) && status.Status().Details != nil:
		for _, cause := range status.Status().Details.Causes {
			kind, value, detail := safe(cause.Message, object.GetKind() == "Secret")
			answer.Refusals = append(answer.Refusals, Refusal{i, path(cause.Field), sentence(kind, value, detail)})
		}
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), " cannot create resource "):
		answer.Unchecked[i] = "you may not create it in this cluster"
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "error looking up service account"):
		answer.Unchecked[i] = "its service account does not exist yet"
	case apierrors.IsNotFound(err) && object.GetNamespace() != "":
		answer.Unchecked[i] = "its namespace does not exist yet"
	case apierrors.IsNotFound(err):
		return fmt.Errorf("--server: %w: create it, or use a context with another namespace", err)
	case apierrors.IsBadRequest(err):
		answer.Unchecked[i] = Undecodable
	case apierrors.IsForbidden(err) || apierrors.IsInvalid(err):
		answer.Refusals = append(answer.Refusals, Refusal{i, nil, admission(err, object.GetKind() == "Secret")})
	case apierrors.IsInternalError(err): // such as a role of an unknown kind
		answer.Refusals = append(answer.Refusals, Refusal{i, nil, "The API server cannot create it. `kubectl apply --dry-run=server` prints its reason."})
	default:
		return fmt.Errorf("--server: %s: %w", object.GetKind(), err)
	}
	return nil
}

// admission says why an admission controller refuses an object. A webhook or a
// policy may quote any value.
func admission(err error, isSecret bool) string {
	_, reason, found := strings.Cut(err.Error(), " is forbidden: ")
	if !found || isSecret || strings.Contains(reason, "denied the request") || strings.Contains(reason, "denied request") {
		return "An admission controller refuses it. `kubectl apply --dry-run=server` prints its reason."
	}
	return "An admission controller refuses it: " + strings.TrimSuffix(reason, ".") + "."
}

// safe splits what an API server says about a field, and leaves out the value unless
// it is a number, a boolean or a name.
func safe(message string, isSecret bool) (kind, value, detail string) {
	kind, rest, _ := strings.Cut(message, ": ")
	switch kind {
	case "Required value", "Forbidden", "Too long", "Too many", "Too few":
		return kind, "", rest
	}
	var read any
	decoder := json.NewDecoder(bytes.NewBufferString(rest))
	if err := decoder.Decode(&read); err != nil {
		return kind, "", ""
	}
	detail = strings.TrimPrefix(rest[decoder.InputOffset():], ": ")
	if read == "<secret contents redacted>" {
		return kind, "", "" // what follows may quote a part
	}
	if isSecret {
		return kind, "", detail
	}
	switch typed := read.(type) {
	case bool, float64:
		value = fmt.Sprint(typed)
	case string:
		if kind != "Invalid value" {
			value = fmt.Sprintf("%q", typed)
		}
	}
	return kind, value, detail
}
