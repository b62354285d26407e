package cache

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// connection gives the client, or waits until ctx ends for the attempt to connect, which goes on without the caller.
func (r *Redis) connection(ctx context.Context) (rueidis.Client, error) {
	if c := r.client.Load(); c != nil {
		return *c, nil
	}
	d := r.dial()
	if d == nil {
		return nil, errClosed
	}
	select {
	case <-d.done:
		return d.client, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dial joins the attempt under way or starts one. It returns nil after Close.
func (r *Redis) dial() *dial {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if r.dialed != nil {
		return r.dialed
	}
	d := &dial{done: make(chan struct{})}
	if c := r.client.Load(); c != nil { // another attempt ended just now
		d.client = *c
		close(d.done)
		return d
	}
	r.dialed = d
	r.work.Go(func() {
		r.finish(d)
	})
	return d
}

// finish connects and hands the outcome to those who wait.
func (r *Redis) finish(d *dial) {
	c, err := rueidis.NewClient(*r.option)
	if err != nil && c != nil { // a client that would connect later, inside some request
		c.Close()
		c = nil
	}
	d.client, d.err = c, err
	r.mu.Lock()
	r.dialed = nil
	closed := r.closed
	if c != nil && !closed {
		r.client.Store(&c)
	}
	r.mu.Unlock()
	if c != nil && closed {
		c.Close()
		d.client, d.err = nil, errClosed
	}
	close(d.done)
}

// probe finds out whether Redis takes writes. A server that answers but refuses them, such as a replica that took the
// primary's place, would fail every real call. After a failure the connection is dropped, so that the next probe looks the
// name up anew.
func (r *Redis) probe(keys string) error {
	ctx, cancel := context.WithTimeout(r.life, connectTimeout)
	defer cancel()
	c, err := r.connection(ctx)
	if err != nil {
		return err
	}
	err = c.Do(ctx, c.B().Set().Key(keys+"probe").Value("1").Px(time.Second).Build()).Error()
	if err != nil {
		r.drop(c)
	}
	return err
}

func (r *Redis) drop(c rueidis.Client) {
	if p := r.client.Load(); p != nil && *p == c && r.client.CompareAndSwap(p, nil) {
		c.Close()
	}
}

// background runs f on a goroutine that Close waits for, and says whether it did.
func (r *Redis) background(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.work.Go(func() {
		f()
	})
	return true
}

// Close ends the connection and all background work, which takes a few seconds where Redis does not answer. Later calls
// find Redis unavailable.
func (r *Redis) Close() {
	r.mu.Lock()
	already := r.closed
	r.closed = true
	r.mu.Unlock()
	if already {
		return
	}
	r.end()
	if p := r.client.Swap(nil); p != nil {
		(*p).Close()
	}
	r.work.Wait()
}
