package notify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Reacher is a Sender that can tell whether the other side is there, without telling
// it of anything.
type Reacher interface {
	// Reach returns why the other side cannot be reached; nil where it can.
	Reach(ctx context.Context) error
}

// Reach implements Reacher: any answer to a request of the method HEAD will do, since
// what takes notices need not know it.
func (p *poster) Reach(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, p.URL, nil)
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // a URL may hold a secret
		}
		return err
	}
	return response.Body.Close()
}

// Reach implements Reacher: it logs in and out.
func (m *Email) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout())
	defer cancel()
	client, err := m.client(ctx)
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return err
	}
	return client.Close()
}
