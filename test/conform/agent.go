package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/conform"
)

// endpointDelay is the delay of SIGTERM. It is shorter than in a cluster, where endpoints
// take longer to disappear.
const endpointDelay = 3 * time.Second

// margin is how much longer a run may take than the one that is asked for.
const margin = 5 * time.Second

// agent returns the agent that the command line describes: what the chart would run, with
// --values, or else an image or command alone.
func (o options) agent(words []string) (conform.Agent, error) {
	if o.url != "" {
		return conform.Agent{URL: o.url, ReadyPath: o.readyPath, LivePath: o.livePath}, nil
	}
	agent := conform.Agent{
		Image: o.image, Port: o.port, User: "10001:10001", Tmpfs: []string{"/tmp"}, Delay: endpointDelay, Grace: endpointDelay + o.runLength + margin + conform.Shutdown,
		Env: map[string]string{
			"MAX_RUN_SECONDS": wholeSeconds(o.runLength + margin), "DRAIN_SECONDS": wholeSeconds(o.runLength + margin + conform.Shutdown/2),
		},
	}
	if o.image != "" && o.port == 0 {
		agent.Port = 8000
	}
	if len(o.files) > 0 {
		var err error
		if agent, err = o.fromValues(o.image == "" && len(words) > 0); err != nil {
			return agent, err
		}
	}
	if len(words) > 0 {
		agent.Command, agent.Args = words, nil
	}
	environment, err := conform.Pairs("--env", o.env)
	if err != nil {
		return agent, err
	}
	maps.Copy(agent.Env, environment)
	if agent.Image != "" && agent.Port == 0 {
		return agent, errors.New("the values have no port for requests (service.enabled: false): only an agent that answers requests can be judged")
	}
	for _, path := range []struct {
		given string
		into  *string
	}{{o.readyPath, &agent.ReadyPath}, {o.livePath, &agent.LivePath}, {o.metrics, &agent.MetricsPath}} {
		if path.given != "" {
			*path.into = path.given
		}
	}
	return agent, nil
}

func wholeSeconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// fromValues returns the agent of the Deployment that the chart renders.
func (o options) fromValues(process bool) (conform.Agent, error) {
	c, err := chart.Load(o.chart)
	if err != nil {
		return conform.Agent{}, fmt.Errorf("--chart %s is not a chart: %w", o.chart, err)
	}
	set := chart.Values{"agent.maxRunSeconds": int((o.runLength + margin).Seconds()), "agent.endpointDelaySeconds": int(endpointDelay.Seconds())}
	if o.image != "" {
		set = set.And(conform.ImageValues(o.image))
	}
	if process {
		port, err := conform.FreePort()
		if err != nil {
			return conform.Agent{}, err
		}
		set = set.And(chart.Values{"containerPort": port, "image.repository": "none", "image.tag": "none"})
	}
	if o.port != 0 {
		set["containerPort"] = o.port
	}
	manifest, err := c.Render(chart.Options{Files: o.files, Set: set})
	if err != nil { // a preStop hook of the user's may need the delay that the values have
		delete(set, "agent.endpointDelaySeconds")
		manifest, err = c.Render(chart.Options{Files: o.files, Set: set})
	}
	if err != nil {
		return conform.Agent{}, fmt.Errorf("the values cannot be rendered: %w; make validate explains it", err)
	}
	objects, err := chart.Decode(manifest)
	if err != nil {
		return conform.Agent{}, err
	}
	agent := fromPod(serverPod(objects), objects)
	if process {
		agent.Image = ""
	}
	return agent, nil
}

// serverPod returns the pod of the server, which is that of a Deployment or a StatefulSet.
func serverPod(objects chart.Objects) corev1.PodSpec {
	var templates []corev1.PodTemplateSpec
	for _, deployment := range chart.All[*appsv1.Deployment](objects) {
		templates = append(templates, deployment.Spec.Template)
	}
	for _, set := range chart.All[*appsv1.StatefulSet](objects) {
		templates = append(templates, set.Spec.Template)
	}
	server := slices.IndexFunc(templates, func(t corev1.PodTemplateSpec) bool { return t.Labels["app.kubernetes.io/component"] == "server" })
	return templates[server].Spec // the chart always renders one
}

// fromPod returns the agent that a pod runs.
func fromPod(pod corev1.PodSpec, objects chart.Objects) conform.Agent {
	box, configs := pod.Containers[0], chart.All[*corev1.ConfigMap](objects)
	agent := conform.Agent{
		Image: box.Image, Command: box.Command, Args: box.Args, Env: map[string]string{}, Tmpfs: folders(pod, box),
		Grace:     time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second,
		ReadyPath: httpPath(box.ReadinessProbe), LivePath: httpPath(box.LivenessProbe),
	}
	agent.Files = files(pod, box, configs)
	if security := pod.SecurityContext; security != nil && security.RunAsUser != nil {
		agent.User = strconv.FormatInt(*security.RunAsUser, 10)
		if security.RunAsGroup != nil {
			agent.User += ":" + strconv.FormatInt(*security.RunAsGroup, 10)
		}
	}
	if security := box.SecurityContext; security != nil && security.ReadOnlyRootFilesystem != nil {
		agent.Writable = !*security.ReadOnlyRootFilesystem
	}
	for _, source := range box.EnvFrom {
		for _, config := range configs {
			if source.ConfigMapRef != nil && source.ConfigMapRef.Name == config.Name {
				maps.Copy(agent.Env, config.Data)
			}
		}
		for _, secret := range chart.All[*corev1.Secret](objects) {
			if source.SecretRef == nil || source.SecretRef.Name != secret.Name {
				continue
			}
			for name, value := range secret.Data {
				agent.Env[name] = string(value)
			}
		}
	}
	for _, variable := range box.Env {
		if variable.ValueFrom == nil {
			agent.Env[variable.Name] = variable.Value
		}
	}
	for _, port := range box.Ports {
		switch port.Name {
		case "http":
			agent.Port = int(port.ContainerPort)
		case "metrics":
			agent.MetricsPort, agent.MetricsPath = int(port.ContainerPort), "/metrics"
		}
	}
	if box.Lifecycle != nil && box.Lifecycle.PreStop != nil {
		if hook := box.Lifecycle.PreStop; hook.Exec != nil {
			agent.PreStop = hook.Exec.Command
		} else if hook.Sleep != nil {
			agent.Delay = time.Duration(hook.Sleep.Seconds) * time.Second
		}
	}
	return agent
}

func httpPath(probe *corev1.Probe) string {
	if probe == nil || probe.HTTPGet == nil {
		return ""
	}
	return probe.HTTPGet.Path
}

// folders returns where the container may write: its scratch folders and claims. A volume
// that the pod does not describe is a claim of its StatefulSet.
func folders(pod corev1.PodSpec, box corev1.Container) []string {
	fixed := map[string]bool{}
	for _, volume := range pod.Volumes {
		fixed[volume.Name] = volume.EmptyDir == nil && volume.PersistentVolumeClaim == nil
	}
	var paths []string
	for _, mount := range box.VolumeMounts {
		if !fixed[mount.Name] && !mount.ReadOnly {
			paths = append(paths, mount.MountPath)
		}
	}
	return paths
}

// files returns the content of the files that are mounted from ConfigMaps, by their paths.
func files(pod corev1.PodSpec, box corev1.Container, configs []*corev1.ConfigMap) map[string]string {
	content := map[string]map[string]string{} // by volume
	for _, volume := range pod.Volumes {
		for _, config := range configs {
			if volume.ConfigMap != nil && volume.ConfigMap.Name == config.Name {
				content[volume.Name] = config.Data
			}
		}
	}
	found := map[string]string{}
	for _, mount := range box.VolumeMounts {
		if text, known := content[mount.Name][mount.SubPath]; known {
			found[mount.MountPath] = text
		}
	}
	return found
}
