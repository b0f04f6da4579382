package scale

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Stored is what the API server stores.
type Stored struct {
	Objects int
	Bytes   int // of the objects as protobuf, which is how the API server writes them to etcd
	Records int // bytes of those objects in which Helm records revisions, each with the whole chart
}

// StoredOf returns what is stored for a release: all objects of Kubernetes' own kinds,
// except events, whose name contains that of the release. These are also the objects that
// controllers created. History that etcd has not compacted does not count.
func StoredOf(ctx context.Context, config *rest.Config, namespace, release string) (Stored, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return Stored{}, err
	}
	lists, err := client.ServerPreferredNamespacedResources()
	if err != nil {
		return Stored{}, err
	}
	var all Stored
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return Stored{}, err
		}
		for _, resource := range list.APIResources {
			if resource.Name == "events" || !slices.Contains(resource.Verbs, "list") || !scheme.Scheme.Recognizes(version.WithKind(resource.Kind)) {
				continue
			}
			stored, err := storedAs(ctx, config, version, resource.Name, namespace, release)
			if err != nil {
				return Stored{}, fmt.Errorf("%s in namespace %s: %w", resource.Name, namespace, err)
			}
			all.Objects += stored.Objects
			all.Bytes += stored.Bytes
			all.Records += stored.Records
		}
	}
	return all, nil
}

func storedAs(ctx context.Context, config *rest.Config, version schema.GroupVersion, resource, namespace, release string) (Stored, error) {
	of := rest.CopyConfig(config)
	of.GroupVersion, of.APIPath = &version, "/apis"
	if version.Group == "" {
		of.APIPath = "/api"
	}
	of.WarningHandler = rest.NoWarnings{} // of deprecated kinds, which controllers create nevertheless
	of.ContentType, of.NegotiatedSerializer = runtime.ContentTypeProtobuf, scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(of)
	if err != nil {
		return Stored{}, err
	}
	list, err := client.Get().Namespace(namespace).Resource(resource).Do(ctx).Get()
	if err != nil {
		return Stored{}, err
	}
	var stored Stored
	return stored, meta.EachListItem(list, func(object runtime.Object) error {
		named, isObject := object.(metav1.Object)
		sized, isSized := object.(interface{ Size() int })
		if !isObject || !isSized {
			return fmt.Errorf("%T has no name or no size as protobuf", object)
		}
		if strings.Contains(named.GetName(), release) {
			stored.Objects++
			stored.Bytes += sized.Size()
		}
		if strings.HasPrefix(named.GetName(), "sh.helm.release.v1."+release+".") {
			stored.Records += sized.Size()
		}
		return nil
	})
}
