package node

import (
	"fmt"
	"strings"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/pipeline"
)

// Explainer returns what tells how the rules judge messages of an input; "" is
// the first in the configuration.
func (p *Plan) Explainer(input string) (*pipeline.Explainer, error) {
	var names []string
	for _, in := range p.Inputs {
		if in.Name == input || input == "" {
			return pipeline.NewExplainer(in.Name, in.settings.reading, p.Rules), nil
		}
		names = append(names, in.Name)
	}
	if input == "" {
		return pipeline.NewExplainer("", pipeline.Reading{}, p.Rules), nil
	}
	return nil, fmt.Errorf("no input %q%s", input, config.Suggest(input, names))
}

// OutputNames returns the names of the outputs, in words for people.
func (p *Plan) OutputNames() string {
	var names []string
	for _, o := range p.Outputs {
		names = append(names, o.Name)
	}
	if len(names) == 0 {
		return "there are none"
	}
	return strings.Join(names, ", ")
}
