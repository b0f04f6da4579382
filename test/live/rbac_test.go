package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/profile"
)

// askAPIServer is a Python script that lists resources with the token of the pod, and
// prints the status of each answer, or that there is none.
const askAPIServer = `
import os, ssl, sys, urllib.error, urllib.request
folder, resources = "/var/run/secrets/kubernetes.io/serviceaccount", sys.argv[2:]
if not os.path.exists(folder + "/token"):
    sys.exit(print("no token"))
context, token = ssl.create_default_context(cafile=folder + "/ca.crt"), open(folder + "/token").read()
def status(resource):
    url = "https://kubernetes.default/api/v1/namespaces/%s/%s" % (sys.argv[1], resource)
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Bearer " + token}), context=context, timeout=3).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return "unreachable"
print(" ".join("%s=%s" % (resource, status(resource)) for resource in resources))
`

// An agent with rules lists what they name and nothing else, without the address of the
// API server in the values. Controls: without rules there is no token; with rules and
// another address, the API server is blocked.
func TestRightsOfTheAgent(t *testing.T) {
	t.Parallel()
	rules := chart.Values{"rbac.rules": chart.List{chart.Map{"apiGroups": chart.List{""}, "resources": chart.List{"configmaps"}, "verbs": chart.List{"list"}}}}
	for name, tc := range map[string]struct {
		values chart.Values
		want   string
	}{
		"rules":           {rules, "configmaps=200 secrets=403 pods=403"},
		"without rules":   {nil, "no token"},
		"another address": {rules.With("networkPolicy.egress.kubernetesAPI", chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "192.0.2.1/32"}}}), "configmaps=unreachable secrets=unreachable pods=unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			n.Install(t, "ai-agent", servers["uvicorn"].values(t).And(profile.OnePod()).And(tc.values))
			answers := func(context.Context) error {
				if got := askedFrom(t, n, "configmaps", "secrets", "pods"); got != tc.want {
					return errors.New(got)
				}
				return nil
			}
			cluster.Eventually(t, tc.want, time.Minute, answers) // a policy takes a few seconds to take effect
			cluster.Consistently(t, tc.want, 15*time.Second, answers)
		})
	}
}

func askedFrom(t *testing.T, n *cluster.Namespace, resources ...string) string {
	t.Helper()
	out, err := n.Exec(t, "deployment/ai-agent", append([]string{"python3", "-c", askAPIServer, n.Name}, resources...)...)
	require.NoError(t, err)
	require.Zero(t, out.Code, fmt.Sprint(out))
	return strings.TrimSpace(out.Stdout)
}
