package elasticsearch

import "github.com/elastic/go-elasticsearch/v8/esapi"

// Reader returns a client that asks the servers of a configuration, and the name or
// pattern of what an output with it writes to. Hosts take turns as for the output; a
// request is not repeated. name tells in errors whose it is.
func Reader(cfg Config, name string) (client esapi.Transport, index string, err error) {
	c, _, err := newClient(&cfg, name)
	if err != nil {
		return nil, "", err
	}
	if cfg.Mode == ModeDataStream {
		return c, cfg.DataStream.Name(), nil
	}
	p, err := parseIndexPattern(cfg.Index)
	if err != nil {
		return nil, "", err
	}
	return c, p.wildcard(), nil
}
