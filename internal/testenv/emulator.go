package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/gatehouse/gatehouse/internal/loopback"
)

// emulated is what stands in for one of Azure's services, in memory.
type emulated struct {
	need     Need
	title    string
	variable string // of the environment, which names one that runs
	path     string // of its URL
	// host gives what runs it at a port. It returns ErrUnavailable where there is nothing to run it with.
	host func(ctx context.Context, port int, progress io.Writer) (host, error)
	// ping wants an answer of its kind.
	ping func(ctx context.Context, address string) error
}

// emulators are all that there are.
var emulators = []emulated{azurite, serviceBus}

// emulator is one that runs.
type emulator struct {
	emulated

	url    string
	runner host
}

// provide starts one, unless a person named another, and returns once it answers.
func (k emulated) provide(ctx context.Context, progress io.Writer) (*emulator, error) {
	if given := os.Getenv(k.variable); given != "" {
		return nil, reach(ctx, k.variable, given, k.ping)
	}
	const attempts = 5
	for attempt := 1; ; attempt++ {
		e, err := k.try(ctx, progress)
		if err == nil {
			return e, nil
		}
		// Another process may have taken the port between our choice and its use.
		if !errors.Is(err, ErrEarlyExit) || attempt == attempts {
			return nil, fmt.Errorf("%s: %w", k.title, err)
		}
	}
}

func (k emulated) try(ctx context.Context, progress io.Writer) (*emulator, error) {
	port, err := loopback.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	h, err := k.host(ctx, port, progress)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: k.path}
	e := &emulator{emulated: k, url: address.String(), runner: h}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, e.stop()) //nolint:contextcheck // it must be stopped also when ctx has ended
	}
	if err := answering(ctx, h, func(ctx context.Context) error { return k.ping(ctx, e.url) }); err != nil {
		return nil, errors.Join(err, e.stop()) //nolint:contextcheck // as above
	}
	return e, nil
}

// stop ends it and removes what it left. It may be called once.
func (e *emulator) stop() error {
	ctx := context.Background()
	err := end(ctx, e.runner)
	e.runner.discard(ctx)
	return err
}

// visit gets an address and has the answer judged.
func visit(ctx context.Context, address string, judge func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // whoever runs the tests names the server
	if err != nil {
		return err
	}
	req.Close = true
	res, err := (&http.Client{}).Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return judge(res)
}
