package cache

import (
	"context"
	"strings"

	"github.com/redis/rueidis"
)

// Info is what a Redis says about itself.
type Info struct {
	Version string
	Replica bool // it takes no writes
}

// Inspect asks Redis what it is, within the bounds of Do.
func (r *Redis) Inspect(ctx context.Context) (Info, error) {
	var info Info
	err := r.Do(ctx, func(ctx context.Context, c rueidis.Client, _ string) error {
		for _, section := range []string{"server", "replication"} {
			text, err := c.Do(ctx, c.B().Info().Section(section).Build()).ToString()
			if err != nil {
				return err
			}
			info.read(text)
		}
		return nil
	})
	return info, err
}

// read takes what it knows from lines of the form name:value.
func (i *Info) read(text string) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "redis_version":
			i.Version = value
		case "role":
			i.Replica = value == "slave"
		}
	}
}
