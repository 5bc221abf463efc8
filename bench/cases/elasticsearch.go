package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/syslane/syslane/bench/subject"
	"github.com/syslane/syslane/outputs/elasticsearch"
)

// elasticsearchMessages is how many a real server gets: it takes some ten thousand a
// second.
const elasticsearchMessages = 300_000

// Elasticsearch is a case with a real server, at host:port, that others start: the
// documents have to be in an index that all subjects write to, one after the other,
// with Syslane's mapping.
func Elasticsearch(server string) Case {
	syslane := func(name, more string) subject.Subject {
		return subject.Syslane(name, subject.SyslaneConfig{Role: "collector", Input: "tcp", Output: "elasticsearch",
			OutputMore: fmt.Sprintf("mode = \"index\"\nindex = %q\nmanage_template = false\n%s", subject.ElasticIndex, more)})
	}
	rsyslog := func(workers, batch int) subject.Subject {
		return subject.Rsyslog(fmt.Sprintf("rsyslog, %d workers, %d documents", workers, batch), false, subject.RsyslogConfig{
			Input: subject.RsyslogTCP, Queue: subject.RsyslogDirect, Action: subject.RsyslogECS(workers, batch)})
	}
	return Case{
		Name: "elasticsearch", Title: "TCP → (durable log →) a real Elasticsearch, one index with one mapping; 10 connections",
		Subjects: []subject.Subject{syslane("syslane", ""), syslane("syslane, id = auto", `id = "auto"`), rsyslog(2, 1000), rsyslog(2, 5000)},
		Run: func(b *Bench, s subject.Subject) (Result, error) {
			return intoIndex(b, s, server)
		},
	}
}

func intoIndex(b *Bench, s subject.Subject, server string) (res Result, err error) {
	m := b.messages(s, elasticsearchMessages)
	site, remove, err := b.site(10)
	if err != nil {
		return res, err
	}
	defer remove()
	site.Out = server
	index := serverIndex("http://" + server + "/" + subject.ElasticIndex)
	if err := index.renew(); err != nil {
		return res, err
	}
	r, err := subject.Start(s, site)
	if err != nil {
		return res, err
	}
	defer r.Stop()
	w, stream, err := b.send(r, 10, "", m)
	if err != nil {
		return res, err
	}
	defer stream.Close()
	deadline, changed, before := time.Now().Add(limit), time.Now(), -1
	for {
		count, err := index.count()
		if err != nil {
			return res, err
		}
		if count >= m.Count() {
			res, err := w.end(time.Now(), m.Count(), m.Count())
			res.Lost = m.Count() - count
			return res, err
		}
		if count != before {
			before, changed = count, time.Now()
		}
		if time.Now().After(deadline) || time.Since(changed) > limit/3 {
			return res, r.Blame(fmt.Errorf("only %d of %d documents are there", count, m.Count()))
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// serverIndex is the URL of an index.
type serverIndex string

// renew makes the index anew, with the mapping of Syslane's template.
func (x serverIndex) renew() error {
	cfg := elasticsearch.DefaultConfig()
	cfg.Mode, cfg.Index = elasticsearch.ModeIndex, subject.ElasticIndex
	_, body := elasticsearch.Template(&cfg, elasticsearch.Server{Flavor: elasticsearch.FlavorElasticsearch})
	// The server of the tests is without the module that has this type.
	body = bytes.ReplaceAll(body, []byte(`"match_only_text"`), []byte(`"text"`))
	var template struct{ Template json.RawMessage }
	if err := json.Unmarshal(body, &template); err != nil {
		return err
	}
	if err := x.call(http.MethodDelete, "", nil, nil); err != nil && !errors.Is(err, errNoIndex) {
		return err
	}
	return x.call(http.MethodPut, "", template.Template, nil)
}

// count returns how many documents can be found now.
func (x serverIndex) count() (int, error) {
	if err := x.call(http.MethodPost, "/_refresh", nil, nil); err != nil {
		return 0, err
	}
	var answer struct{ Count int }
	err := x.call(http.MethodGet, "/_count", nil, &answer)
	return answer.Count, err
}

var errNoIndex = errors.New("there is no such index")

func (x serverIndex) call(method, path string, body []byte, answer any) error {
	req, err := http.NewRequest(method, string(x)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusNotFound {
		return errNoIndex
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s%s: %s: %.500s", method, x, path, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
