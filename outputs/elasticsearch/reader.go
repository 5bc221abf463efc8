package elasticsearch

import "github.com/elastic/go-elasticsearch/v8/esapi"

// readerConnections is how many idle connections to a node a reader keeps.
const readerConnections = 3

// Reader returns a client that asks servers, and the name or pattern of what an output
// with this target writes to. Hosts take turns as for the output; a request is not
// repeated. name tells in errors whose it is.
func Reader(access Access, target Target, name string) (client esapi.Transport, index string, err error) {
	c, _, err := newClient(&access, readerConnections, name)
	if err != nil {
		return nil, "", err
	}
	if target.Mode == ModeDataStream {
		return c, target.DataStream.Name(), nil
	}
	p, err := parseIndexPattern(target.Index)
	if err != nil {
		return nil, "", err
	}
	return c, p.wildcard(), nil
}
