package check

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// credentialsFile is the chart's list of what credentials look like.
const credentialsFile = "files/credentials.yaml"

// credentialPatterns is the content of the file, which has the meaning of each.
type credentialPatterns struct {
	Lists                                                 map[string][]string
	Name, NotName, Reference, Excluded, Harmless, Mention string
	Random                                                []string
	Shapes, Assigned                                      map[string]string
}

// credentials recognizes a credential as the chart's rules do.
type credentials struct {
	name, notName, reference, excluded, harmless, mention, shapes, assigned *regexp.Regexp
	random                                                                  []*regexp.Regexp
}

func (p credentialPatterns) compile() (credentials, error) {
	var lists []string
	for name, list := range p.Lists {
		lists = append(lists, "{"+name+"}", strings.Join(list, "|"))
	}
	withLists := strings.NewReplacer(lists...)
	var c credentials
	for _, pattern := range []struct {
		into **regexp.Regexp
		text string
	}{
		{&c.name, p.Name},
		{&c.notName, "^.*(?:" + p.NotName + ")$"},
		{&c.reference, p.Reference},
		{&c.excluded, strings.ReplaceAll(p.Excluded, "{notName}", p.NotName)},
		{&c.harmless, p.Harmless},
		{&c.mention, p.Mention},
		{&c.shapes, anyOf(p.Shapes)},
		{&c.assigned, anyOf(p.Assigned)},
	} {
		compiled, err := regexp.Compile(withLists.Replace(pattern.text))
		if err != nil {
			return c, err
		}
		*pattern.into = compiled
	}
	for _, text := range p.Random {
		compiled, err := regexp.Compile(text)
		if err != nil {
			return c, err
		}
		c.random = append(c.random, compiled)
	}
	return c, nil
}

func anyOf(patterns map[string]string) string {
	return "(?m)(?:" + strings.Join(slices.Collect(maps.Values(patterns)), ")|(?:") + ")"
}

// matches reports whether a text looks like a credential, by itself or as the value
// of a variable or flag.
func (c credentials) matches(name, text string) bool {
	isRandom := !slices.ContainsFunc(c.random, func(p *regexp.Regexp) bool { return !p.MatchString(text) })
	named := c.name.MatchString(name) && (isRandom || !c.notName.MatchString(name))
	text = c.reference.ReplaceAllLiteralString(text, "")
	rest := c.excluded.ReplaceAllString(text, "${1}${2}")
	found := named || c.shapes.MatchString(text) || c.mention.MatchString(text) && c.assigned.MatchString(rest)
	return found && !c.harmless.MatchString(rest)
}

// readableText is a text of an object that many may read.
type readableText struct {
	object     string
	path       finding.Path
	name, text string // the name of the variable or flag whose value it is, or ""
}

// secretsInPlainText finds what looks like a credential in ConfigMaps, commands,
// environments, annotations and labels.
func secretsInPlainText(patterns credentialPatterns) (func(chart.Objects) []finding.Finding, error) {
	credentials, err := patterns.compile()
	if err != nil {
		return nil, err
	}
	return func(objects chart.Objects) []finding.Finding {
		var found []finding.Finding
		for _, text := range slices.Concat(inConfigMaps(objects), inMetadata(objects), inContainers(objects)) {
			if credentials.matches(text.name, text.text) {
				found = append(found, finding.Finding{
					Object: text.object, Path: text.path,
					Problem: "This looks like a credential, and everyone who may read this object can read it.",
					Fix:     "Move it to a Secret and set secret.existingSecret. In a command, refer to the variable as $(NAME).",
				})
			}
		}
		return found
	}, nil
}

func inConfigMaps(objects chart.Objects) []readableText {
	var texts []readableText
	for _, config := range chart.All[*corev1.ConfigMap](objects) {
		texts = append(texts, inMap(name(config), finding.Path{"data"}, config.Data, true)...)
		for _, key := range slices.Sorted(maps.Keys(config.BinaryData)) {
			texts = append(texts, readableText{name(config), finding.Path{"binaryData", key}, key, string(config.BinaryData[key])})
		}
	}
	return texts
}

// inMetadata returns the annotations and labels of every object and pod template. A
// Secret has them too.
func inMetadata(objects chart.Objects) []readableText {
	var texts []readableText
	for _, object := range objects {
		accessor, err := meta.Accessor(object)
		if err != nil {
			continue
		}
		texts = append(texts, inMap(name(object), finding.Path{"metadata", "annotations"}, accessor.GetAnnotations(), false)...)
		texts = append(texts, inMap(name(object), finding.Path{"metadata", "labels"}, accessor.GetLabels(), false)...)
	}
	for _, pod := range pods(objects) {
		at := pod.path[:len(pod.path)-1]
		texts = append(texts, inMap(pod.object, at.With("metadata", "annotations"), pod.meta.Annotations, false)...)
		texts = append(texts, inMap(pod.object, at.With("metadata", "labels"), pod.meta.Labels, false)...)
	}
	return texts
}

// inMap returns the values of a map, of variables if it is named.
func inMap(object string, at finding.Path, values map[string]string, named bool) []readableText {
	var texts []readableText
	for _, key := range slices.Sorted(maps.Keys(values)) {
		text := readableText{object: object, path: at.With(key), text: values[key]}
		if named {
			text.name = key
		}
		texts = append(texts, text)
	}
	return texts
}

func inContainers(objects chart.Objects) []readableText {
	var texts []readableText
	for _, c := range containers(objects) {
		for i, variable := range c.Env {
			texts = append(texts, readableText{c.pod.object, c.path.With("env", strconv.Itoa(i), "value"), variable.Name, variable.Value})
		}
		texts = append(texts, inCommand(c, "command", c.Command)...)
		texts = append(texts, inCommand(c, "args", c.Args)...)
	}
	return texts
}

// inCommand returns the words of a command, of which some are the value of the flag
// before them.
func inCommand(c container, field string, words []string) []readableText {
	var texts []readableText
	flag := ""
	for i, word := range words {
		text := readableText{object: c.pod.object, path: c.path.With(field, strconv.Itoa(i)), text: word}
		if strings.HasPrefix(word, "-") {
			flag = word
		} else {
			text.name, flag = flag, ""
		}
		texts = append(texts, text)
	}
	return texts
}
