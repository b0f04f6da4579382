#!/usr/bin/env bash
# Starts a cluster, installs the chart in it and does a first run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$root/scripts/environment.sh" || exit
own_kubectl="$bin/kubectl --context kind-$CLUSTER --namespace default" # to paste
step "helm install" "Run '$own_kubectl describe pods -l app=ai-agent' and '$own_kubectl logs -l app=ai-agent'." "$root/scripts/install.sh"
autoscaler_reads() {
	kubectl --namespace default wait hpa/ai-agent-hpa --timeout 120s --for condition=ScalingActive &&
		kubectl --namespace default wait hpa/ai-agent-hpa --timeout 120s \
			--for 'jsonpath={.status.currentMetrics[?(@.resource.name=="cpu")].resource.current.averageUtilization}' &&
		kubectl --namespace default get hpa ai-agent-hpa --no-headers
}
# The client runs in the model's pod: the agent's NetworkPolicy does not let it call
# itself. Helm waits for Ready pods, not until the client's node routes to them; check does.
first_run() {
	local client=(kubectl --namespace default exec deployment/llm --) url=http://ai-agent-service
	"${client[@]}" /agent check --url "$url" && "${client[@]}" /agent ask --url "$url" "Say that you are up."
}
step "first run" "Run '$own_kubectl logs -l app=ai-agent'. Check that the model is reachable and the key is valid." first_run
step "autoscaler" "Run '$own_kubectl describe hpa ai-agent-hpa' and '$own_kubectl top pods'." autoscaler_reads

echo
kubectl --namespace default get all -l app=ai-agent
cat <<-END

	The agent is at http://ai-agent-service in the cluster kind-$CLUSTER. Ask it a question:
	  $own_kubectl exec deployment/llm -- /agent ask --url http://ai-agent-service "your question"
	Remove the cluster:
	  make down
END
