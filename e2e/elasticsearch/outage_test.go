package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/elasticsearch"
)

// persist hands b over until it is taken, as the delivery does.
func persist(ctx context.Context, o *elasticsearch.Output, b *outputs.Batch) error {
	for {
		err := o.Write(ctx, b)
		var r *outputs.Rejected
		if err == nil || errors.As(err, &r) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// split cuts b into batches of n events.
func split(b *outputs.Batch, n int) []*outputs.Batch {
	var out []*outputs.Batch
	first := b.First
	for rest := b.Events; len(rest) > 0; {
		part := &outputs.Batch{Stream: b.Stream, First: first}
		for part.Count < n && len(rest) > 0 {
			before := rest
			_, rest = syslog.NextRecord(rest)
			part.Events = append(part.Events, before[:len(before)-len(rest)]...)
			part.Count++
		}
		first += uint64(part.Count)
		part.Next = first
		out = append(out, part)
	}
	return out
}

func TestAnswersLostBehindAProxyMakeNoSecondDocument(t *testing.T) {
	cfg := stream(t)
	target, err := url.Parse(server(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	var bulks atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "_bulk") || bulks.Add(1)%3 != 0 {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body.Close()
		// The server has taken it; half of its answer arrives.
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), brokenReader{}))
		return nil
	}
	front := httptest.NewServer(proxy)
	defer front.Close()
	cfg.Hosts = []config.Address{config.Address(front.URL)}
	cfg.BulkMaxDocs = 1000
	cfg.BackoffInit = 10 * time.Millisecond
	o := open(t, cfg)
	b := batch(t, 20_000)
	for _, part := range split(b, 4000) {
		if err := persist(t.Context(), o, part); err != nil {
			t.Fatal(err)
		}
	}
	check(t, server(t), cfg, cfg.DataStream.Name(), b)
	if bulks.Load() < 22 {
		t.Errorf("only %d requests: nothing was cut", bulks.Load())
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("cut") }

func TestServerThatDiesMidBulkGetsEachDocumentOnce(t *testing.T) {
	es := peers.StartElastic(t) // of its own: it dies
	defer es.Close()
	cfg := elasticsearch.DefaultConfig()
	cfg.Hosts = []config.Address{config.Address(es.URL)}
	cfg.DataStream.Dataset = "syslane_outage"
	cfg.BulkMaxDocs = 500
	cfg.BackoffInit = 10 * time.Millisecond
	o := open(t, cfg)
	b := batch(t, 40_000)
	done := make(chan error, 1)
	var written atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	go func() {
		for _, part := range split(b, 2000) {
			if err := persist(ctx, o, part); err != nil {
				done <- err
				return
			}
			written.Add(int64(part.Count))
		}
		done <- nil
	}()
	for written.Load() < 10_000 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	es.Kill()
	es.Start(t)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	check(t, es, cfg, cfg.DataStream.Name(), b)
}
