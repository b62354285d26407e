package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth is how deep settings may nest.
const maxDepth = 32

// node is a value as it was written, whatever it was written in.
type node struct {
	kind    kind
	text    string   // of a scalar, as written
	items   []*node  // of a list
	members []member // of a mapping, in order, each name once
	line    int
}

type member struct {
	name  string
	value *node
}

type kind int

const (
	nullNode kind = iota // written, but empty: as if it were not there
	scalarNode
	listNode
	mappingNode
)

// problem is what is wrong with a value or a part of it.
type problem struct {
	path   string // below the setting: "[0].url"
	text   string
	safe   string // the same, without anything of the value
	got    string
	hasGot bool
	line   int
}

func plain(path string, line int, text string) problem {
	return problem{path: path, text: text, safe: text, line: line}
}

// parseYAML reads a whole settings file. An empty one gives a null node.
func parseYAML(data []byte) (*node, []problem) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &node{}, nil
	case err != nil:
		return nil, []problem{yamlProblem(err)}
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, []problem{yamlProblem(err)}
		}
		return nil, []problem{plain("", more.Line, "expected one YAML document, found a second one")}
	}
	if len(doc.Content) == 0 {
		return &node{}, nil
	}
	c := &converter{}
	n := c.convert(doc.Content[0], "", 0)
	return n, c.problems
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// yamlProblem keeps the line of a syntax fault and of its text what cannot hold a value: a secret that starts with an
// asterisk is quoted by the library as an unknown anchor.
func yamlProblem(err error) problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.TrimPrefix(text, m[0]+": ")
	}
	if strings.Contains(text, "anchor") {
		text = "anchors and aliases are not supported (put a text that starts with & or * in quotes)"
	}
	if strings.ContainsAny(text, "'\"`") || len(text) > 120 {
		text = "the syntax is wrong"
	}
	return plain("", line, "not valid YAML: "+text)
}

type converter struct{ problems []problem }

func (c *converter) fault(path string, line int, text string) *node {
	c.problems = append(c.problems, plain(path, line, text))
	return &node{line: line}
}

func (c *converter) convert(y *yaml.Node, path string, depth int) *node {
	if depth > maxDepth {
		return c.fault(path, y.Line, fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	if y.Anchor != "" {
		c.fault(path, y.Line, "anchors and aliases are not supported")
	}
	switch y.Kind {
	case yaml.ScalarNode:
		return c.scalar(y, path)
	case yaml.SequenceNode:
		n := &node{kind: listNode, line: y.Line}
		for i, item := range y.Content {
			n.items = append(n.items, c.convert(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		return n
	case yaml.MappingNode:
		return c.mapping(y, path, depth)
	default:
		return c.fault(path, y.Line, "anchors and aliases are not supported")
	}
}

func (c *converter) scalar(y *yaml.Node, path string) *node {
	switch y.ShortTag() {
	case "!!null":
		return &node{line: y.Line}
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return &node{kind: scalarNode, text: y.Value, line: y.Line}
	default:
		return c.fault(path, y.Line, "YAML tags are not supported (put a text that starts with ! in quotes)")
	}
}

func (c *converter) mapping(y *yaml.Node, path string, depth int) *node {
	n := &node{kind: mappingNode, line: y.Line}
	seen := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || key.Anchor != "":
			c.fault(path, key.Line, "a name must be a plain text")
			continue
		case strings.Contains(key.Value, "."):
			c.fault(join(path, key.Value), key.Line, "a name must not hold a dot: nest one name below the other")
			continue
		case seen[key.Value] > 0:
			c.fault(join(path, key.Value), key.Line, fmt.Sprintf("given twice, first in line %d", seen[key.Value]))
			continue
		}
		seen[key.Value] = key.Line
		value := c.convert(y.Content[i+1], join(path, key.Value), depth+1)
		n.members = append(n.members, member{name: key.Value, value: value})
	}
	return n
}

// parseJSON reads a list of structures from the environment, a flag or a default.
// An empty text is an empty list.
func parseJSON(text string) (*node, []problem) {
	if strings.TrimSpace(text) == "" {
		return &node{kind: listNode}, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	c := &converter{}
	n, err := c.json(dec, "", 0)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return n, c.problems
		}
	}
	return nil, []problem{plain("", 0, fmt.Sprintf("expected a JSON list of objects; the syntax is wrong after byte %d", dec.InputOffset()))}
}

var errJSON = errors.New("not valid JSON")

func (c *converter) json(dec *json.Decoder, path string, depth int) (*node, error) {
	tok, err := dec.Token()
	if err != nil || depth > maxDepth {
		return nil, errJSON
	}
	switch t := tok.(type) {
	case string:
		return &node{kind: scalarNode, text: t}, nil
	case json.Number:
		return &node{kind: scalarNode, text: t.String()}, nil
	case bool:
		return &node{kind: scalarNode, text: strconv.FormatBool(t)}, nil
	case json.Delim:
		if t == '[' {
			return c.jsonList(dec, path, depth)
		}
		return c.jsonObject(dec, path, depth)
	default:
		return &node{}, nil
	}
}

func (c *converter) jsonList(dec *json.Decoder, path string, depth int) (*node, error) {
	n := &node{kind: listNode}
	for dec.More() {
		item, err := c.json(dec, fmt.Sprintf("%s[%d]", path, len(n.items)), depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, err := dec.Token()
	return n, err
}

func (c *converter) jsonObject(dec *json.Decoder, path string, depth int) (*node, error) {
	n := &node{kind: mappingNode}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		name, ok := tok.(string)
		if err != nil || !ok {
			return nil, errJSON
		}
		value, err := c.json(dec, join(path, name), depth+1)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			c.fault(join(path, name), 0, "given twice")
			continue
		}
		seen[name] = true
		n.members = append(n.members, member{name: name, value: value})
	}
	_, err := dec.Token()
	return n, err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	if name == "" {
		return path
	}
	return path + "." + name
}

// below is the place of a problem inside a setting: events.destinations[0].url.
func below(path, inner string) string {
	if strings.HasPrefix(inner, "[") {
		return path + inner
	}
	return join(path, inner)
}
