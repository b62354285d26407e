package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// engine is River on one of the databases, whose transactions are of a type of their own.
type engine interface {
	on(native any) (table, error) // in a transaction
	worker(c river.Config) (client, error)
	polls() bool
	announce(ctx context.Context, queues []string) error   // has workers look for jobs
	due(ctx context.Context, kinds []string) (bool, error) // whether a job of these kinds is at work or may be begun
}

// table is River's table of jobs, in a transaction.
type table interface {
	insert(ctx context.Context, a Args, o *river.InsertOpts) error
	list(ctx context.Context, p *river.JobListParams) ([]*rivertype.JobRow, error)
	get(ctx context.Context, id int64) (*rivertype.JobRow, error)
	retry(ctx context.Context, id int64) error
	cancel(ctx context.Context, id int64) error
}

// client is a river.Client that works jobs.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	Subscribe(kinds ...river.EventKind) (<-chan *river.Event, func())
}

type riverEngine[T any] struct {
	driver riverdriver.Driver[T]
	client *river.Client[T] // works nothing
	asks   bool
}

func newEngine[T any](driver riverdriver.Driver[T], c river.Config) (engine, error) {
	c.FetchCooldown, c.FetchPollInterval = announcesRarely, announcesRarely
	inserts, err := river.NewClient(driver, &c)
	return &riverEngine[T]{driver: driver, client: inserts, asks: c.PollOnly}, err
}

func (e *riverEngine[T]) on(native any) (table, error) {
	tx, ok := native.(T)
	if !ok {
		return nil, errors.New("job: the transaction is of another database")
	}
	return riverTable[T]{e.client, tx}, nil
}

func (e *riverEngine[T]) worker(c river.Config) (client, error) { return river.NewClient(e.driver, &c) }

// announcesRarely is how often River itself tells of a new job of a queue, with the job's transaction. It tells of a process's
// first, which is a command's only one; of the others the announcer does.
const announcesRarely = 24 * time.Hour

// insertTopic is the channel on which River's workers listen for jobs.
const insertTopic = "river_insert"

func (e *riverEngine[T]) announce(ctx context.Context, queues []string) error {
	p := riverdriver.NotifyManyParams{Topic: insertTopic}
	for _, queue := range queues {
		p.Payload = append(p.Payload, fmt.Sprintf(`{"queue": %q}`, queue))
	}
	return e.driver.GetExecutor().NotifyMany(ctx, &p)
}

func (e *riverEngine[T]) polls() bool { return e.asks }

func (e *riverEngine[T]) due(ctx context.Context, kinds []string) (bool, error) {
	// One look at both states, since a job goes from the one to the other at any time.
	list, err := e.client.JobList(ctx, river.NewJobListParams().Kinds(kinds...).States(rivertype.JobStateRunning, rivertype.JobStateAvailable).
		OrderBy(river.JobListOrderByScheduledAt, river.SortOrderAsc).First(lookedAt))
	if err != nil {
		return false, fmt.Errorf("job: look for jobs: %w", err)
	}
	now := time.Now() //nolint:forbidigo // River schedules by the wall clock
	return slices.ContainsFunc(list.Jobs, func(j *rivertype.JobRow) bool {
		return j.State == rivertype.JobStateRunning || !j.ScheduledAt.After(now)
	}), nil
}

// lookedAt is how many jobs due looks at, those that are scheduled first.
const lookedAt = 100

type riverTable[T any] struct {
	client *river.Client[T]
	tx     T
}

func (t riverTable[T]) insert(ctx context.Context, a Args, o *river.InsertOpts) error {
	_, err := t.client.InsertTx(ctx, t.tx, a, o)
	return err
}

func (t riverTable[T]) list(ctx context.Context, p *river.JobListParams) ([]*rivertype.JobRow, error) {
	found, err := t.client.JobListTx(ctx, t.tx, p)
	if err != nil {
		return nil, err
	}
	return found.Jobs, nil
}

func (t riverTable[T]) get(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	return t.client.JobGetTx(ctx, t.tx, id)
}

func (t riverTable[T]) retry(ctx context.Context, id int64) error {
	_, err := t.client.JobRetryTx(ctx, t.tx, id)
	return err
}

func (t riverTable[T]) cancel(ctx context.Context, id int64) error {
	_, err := t.client.JobCancelTx(ctx, t.tx, id)
	return err
}
