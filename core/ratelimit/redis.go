package ratelimit

import (
	"context"
	_ "embed" // for the script
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/gatehouse/gatehouse/core/cache"
)

//go:embed gcra.lua
var script string

// redisTime makes Redis the one clock of all instances. Keys outlive their use by a second, against its small steps back.
const redisTime = `local t = redis.call('TIME')
local now, linger = t[1] * 1000000 + t[2], 1000
`

// Redis is a Limiter whose counts all instances share: one script for all checks of a call, in one round trip.
type Redis struct {
	redis  *cache.Redis
	script *rueidis.Lua
}

// NewRedis makes a Limiter over the connection.
func NewRedis(r *cache.Redis) *Redis { return newRedis(r, redisTime) }

func newRedis(r *cache.Redis, preamble string) *Redis {
	return &Redis{redis: r, script: rueidis.NewLuaScript(preamble + script)}
}

const perCheck = 4 // numbers that the script returns for each

var errAnswer = errors.New("ratelimit: redis gave an answer of the wrong shape")

// Allow implements Limiter. With Redis away the error wraps errs.ErrUnavailable and comes within the redis.timeout setting.
func (l *Redis) Allow(ctx context.Context, checks ...Check) ([]Decision, error) {
	return l.decide(ctx, checks, "1")
}

// Peek implements Limiter, with the errors of Allow.
func (l *Redis) Peek(ctx context.Context, checks ...Check) ([]Decision, error) {
	return l.decide(ctx, checks, "0")
}

// decide runs the script, which counts where count is "1".
func (l *Redis) decide(ctx context.Context, checks []Check, count string) ([]Decision, error) {
	if err := verify(checks); err != nil || len(checks) == 0 {
		return nil, err
	}
	args := make([]string, 0, 3*len(checks)+1)
	for i := range checks {
		p := paceOf(&checks[i])
		args = append(args, strconv.FormatInt(p.interval, 10), strconv.FormatInt(p.tolerance, 10), strconv.FormatInt(p.step, 10))
	}
	args = append(args, count)
	var answer []int64
	err := l.redis.Do(ctx, func(ctx context.Context, c rueidis.Client, prefix string) error {
		keys := make([]string, len(checks))
		for i := range checks {
			keys[i] = prefix + "{limit}:" + checks[i].Limit.Name + ":" + checks[i].Key // one hash tag: a script's keys share a slot
		}
		var err error
		if answer, err = l.script.Exec(ctx, c, keys, args).AsIntSlice(); err == nil && len(answer) != perCheck*len(checks) {
			err = errAnswer
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]Decision, len(checks))
	for i := range out {
		a := answer[perCheck*i : perCheck*i+perCheck]
		out[i] = Decision{
			Allowed:    a[0] == 1,
			Remaining:  int(a[1]),
			RetryAfter: time.Duration(a[2]) * time.Microsecond,
			Reset:      time.Duration(a[3]) * time.Microsecond,
		}
	}
	return out, nil
}
