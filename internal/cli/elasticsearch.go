package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/outputs/elasticsearch"
)

func newElasticsearchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "elasticsearch",
		Short: "Prepare Elasticsearch or OpenSearch by hand",
	}
	cmd.AddCommand(newElasticsearchTemplateCommand())
	return cmd
}

func newElasticsearchTemplateCommand() *cobra.Command {
	var file, output string
	server := elasticsearch.Server{}
	cmd := &cobra.Command{
		Use:   "template [--config FILE] [--output NAME]",
		Short: "Print what manage_template would install",
		Long: `Print the requests by which an elasticsearch output with manage_template = true
installs its index template and, where retention is set, the lifecycle policy, for
those who install by hand. They can be pasted into the developer tools of Kibana or
OpenSearch Dashboards. No server is asked.

Without a file, the defaults of the output are taken.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := elasticsearchConfig(file, output)
			if err != nil {
				return err
			}
			if server.Flavor == "" {
				server.Flavor = cfg.Flavor
			}
			switch server.Flavor {
			case elasticsearch.FlavorElasticsearch, elasticsearch.FlavorOpenSearch:
			case elasticsearch.FlavorAuto:
				server.Flavor = elasticsearch.FlavorElasticsearch
			default:
				return fmt.Errorf("--flavor %q: want %q or %q", server.Flavor, elasticsearch.FlavorElasticsearch, elasticsearch.FlavorOpenSearch)
			}
			return printRequests(cmd.OutOrStdout(), elasticsearch.Requests(cfg, server))
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file of the collector")
	cmd.Flags().StringVar(&output, "output", "", "name of the output, where the file has several of the type elasticsearch")
	cmd.Flags().StringVar(&server.Flavor, "flavor", "", "elasticsearch or opensearch (default: flavor in the file, else elasticsearch)")
	cmd.Flags().StringVar(&server.Version, "server-version", "", "version of the server, as 8.10.4 (default: a recent one)")
	return cmd
}

// elasticsearchConfig returns the settings of the output that is meant.
func elasticsearchConfig(file, output string) (*elasticsearch.Config, error) {
	if file == "" {
		cfg := elasticsearch.DefaultConfig()
		return &cfg, nil
	}
	f, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	f.LeaveCredentials() // nobody is asked
	plan, err := node.Load(f, node.Options{Version: version(), NewLogger: newLogger})
	if err != nil {
		return nil, err
	}
	var found []*elasticsearch.Config
	for _, o := range plan.Outputs {
		if cfg := o.Elasticsearch(); cfg != nil && (output == "" || o.Name == output) {
			found = append(found, cfg)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case output != "":
		return nil, fmt.Errorf("%s has no output %q of the type elasticsearch", file, output)
	case len(found) == 0:
		return nil, fmt.Errorf("%s has no output of the type elasticsearch", file)
	}
	return nil, fmt.Errorf("%s has %d outputs of the type elasticsearch: say --output NAME", file, len(found))
}

func printRequests(w io.Writer, requests []elasticsearch.Request) error {
	for i, r := range requests {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintf(w, "%s %s\n%s", r.Method, r.Path, r.Body); err != nil {
			return err
		}
	}
	return nil
}
