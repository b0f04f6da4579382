#!/usr/bin/env bash
# From nothing to an agent that answers: cluster, chart, a first run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$root/scripts/environment.sh" || exit
step "helm install" "See 'kubectl describe pods -l app=ai-agent' and 'kubectl logs -l app=ai-agent'." "$root/scripts/release.sh"
autoscaler_reads() {
	kubectl --namespace default wait hpa/ai-agent-hpa --timeout 120s --for condition=ScalingActive &&
		kubectl --namespace default wait hpa/ai-agent-hpa --timeout 120s \
			--for 'jsonpath={.status.currentMetrics[?(@.resource.name=="cpu")].resource.current.averageUtilization}' &&
		kubectl --namespace default get hpa ai-agent-hpa --no-headers
}
# From the model's pod, as from any client. An agent has no leave to call another,
# and a pod that is seconds old is not yet known to every NetworkPolicy.
step "first run" "See 'kubectl logs -l app=ai-agent': is the model reachable, the key right?" \
	kubectl --namespace default exec deployment/llm -- \
	/agent ask --url http://ai-agent-service "Say that you are up."
step "autoscaler" "See 'kubectl describe hpa ai-agent-hpa' and 'kubectl top pods'." autoscaler_reads

echo
kubectl --namespace default get all -l app=ai-agent
cat <<-END

	The agent answers at http://ai-agent-service in the cluster kind-$CLUSTER. Talk to it:
	  $bin/kubectl --context kind-$CLUSTER exec deployment/llm -- /agent ask --url http://ai-agent-service "your question"
	Remove it all:
	  make down
END
