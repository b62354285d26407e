package job

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// How River works. Finished jobs are kept for those who look into what happened, and for schedules, which may keep them longer.
const (
	keepCompleted = time.Hour
	keepCancelled = 7 * 24 * time.Hour
	keepDiscarded = 30 * 24 * time.Hour

	fetchCooldown = 50 * time.Millisecond // between two fetches: ten workers do up to 200 short jobs a second
	pollListening = 5 * time.Second       // a fall-back where LISTEN tells of new jobs
	pollOnly      = time.Second           // what a job waits at most where nothing does

	// rescueMargin is how much longer than the longest time-out a job may seem to run before it is taken for one whose
	// process died, and given to another worker.
	rescueMargin = 30 * time.Second
)

// Settings are the settings under "worker".
type Settings struct {
	Concurrency int             `conf:"concurrency" default:"10" doc:"jobs of one queue that a process works at once, 1 to 1000"`
	Queues      []QueueSettings `conf:"queues" default:"" doc:"queues of which a process works another number of jobs at once, each with name (such as mail) and concurrency (1 to 1000)"`
}

// QueueSettings are those of one queue, under "worker.queues".
type QueueSettings struct {
	Name        string `conf:"name" doc:"of the queue"`
	Concurrency int    `conf:"concurrency" doc:"jobs of this queue that a process works at once, 1 to 1000"`
}

const (
	mostAtOnce  = 1000
	outOfBounds = "must be between 1 and 1000"
)

func inBounds(concurrency int) bool { return concurrency >= 1 && concurrency <= mostAtOnce }

// Check reports what the settings may not be. Each entry checks itself, and the program whether it has such a queue.
func (s *Settings) Check(report func(field, fault string)) {
	if !inBounds(s.Concurrency) {
		report("concurrency", outOfBounds)
	}
	seen := map[string]bool{}
	for i, q := range s.Queues {
		if seen[q.Name] {
			report(fmt.Sprintf("queues[%d].name", i), "is the name of another one")
		}
		seen[q.Name] = true
	}
}

// Check reports what the settings may not be.
func (s *QueueSettings) Check(report func(field, fault string)) {
	if s.Name == "" {
		report("name", "must be the name of a queue")
	}
	if !inBounds(s.Concurrency) {
		report("concurrency", outOfBounds)
	}
}

// of is how many jobs of a queue a process works at once.
func (s *Settings) of(queue string) int {
	for _, q := range s.Queues {
		if q.Name == queue {
			return q.Concurrency
		}
	}
	return s.Concurrency
}

// config is what clients of this program share.
func (q *Queue) config(polls bool) river.Config {
	c := river.Config{
		PollOnly: polls, FetchCooldown: fetchCooldown, FetchPollInterval: pollListening, MaxAttempts: defaultMaxAttempts,
		CompletedJobRetentionPeriod: keepCompleted, CancelledJobRetentionPeriod: keepCancelled, DiscardedJobRetentionPeriod: keepDiscarded,
		FetchOnlyKnownKinds: true, // a kind that a newer version of the program enqueues waits for that version
		Logger:              slog.New(newQuiet(q.logger.Handler())),
	}
	if polls {
		c.FetchPollInterval = pollOnly
	}
	longest := defaultTimeout
	for _, h := range q.kinds {
		longest = max(longest, h.options.Timeout)
	}
	c.RescueStuckJobsAfter = longest + rescueMargin
	for _, p := range q.schedules { // the job of a period is looked for until the period is over
		c.CompletedJobRetentionPeriod = max(c.CompletedJobRetentionPeriod, p.Every)
		c.CancelledJobRetentionPeriod = max(c.CancelledJobRetentionPeriod, p.Every)
		c.DiscardedJobRetentionPeriod = max(c.DiscardedJobRetentionPeriod, p.Every)
	}
	return c
}

// Worker works the jobs of a queue in this process. The zero Worker works none.
type Worker struct {
	client client
	stop   func() // tells the jobs at work
	ended  func()
	told   chan struct{} // closed once every event was told
}

// Start begins to work jobs, and to enqueue those on a schedule. It returns when the workers run, which takes the database;
// where that is away later, they wait for it. ctx does not end them: Stop does.
func (q *Queue) Start(ctx context.Context, s Settings) (*Worker, error) {
	return q.start(ctx, s, func(*river.Config) {})
}

func (q *Queue) start(ctx context.Context, s Settings, change func(*river.Config)) (*Worker, error) {
	if q.engine == nil {
		return nil, errNotOpen
	}
	if len(q.kinds) == 0 { // a program without jobs
		return &Worker{}, nil
	}
	c := q.config(q.engine.polls())
	c.Workers, c.Queues = river.NewWorkers(), map[string]river.QueueConfig{DefaultQueue: {MaxWorkers: s.of(DefaultQueue)}}
	stopping := make(chan struct{})
	for _, h := range q.kinds {
		if err := h.register(c.Workers, q.logger, stopping); err != nil {
			return nil, fmt.Errorf("job: %w", err)
		}
		c.Queues[h.options.Queue] = river.QueueConfig{MaxWorkers: s.of(h.options.Queue)}
	}
	for _, p := range q.schedules {
		c.PeriodicJobs = append(c.PeriodicJobs, q.periodic(p))
	}
	change(&c)
	client, err := q.engine.worker(c)
	if err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	events, cancel := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	w := &Worker{client: client, stop: sync.OnceFunc(func() { close(stopping) }), ended: cancel, told: make(chan struct{})}
	go func() {
		defer close(w.told)
		for e := range events {
			q.observe(e.Job.Kind, outcomeOf(e))
		}
	}()
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		cancel()
		<-w.told
		return nil, fmt.Errorf("job: start workers: %w", err)
	}
	return w, nil
}

// periodic is unique within its period, whoever enqueues it: a new leader begins its schedules anew. The period's job counts
// whatever became of it, and config keeps it until the period is over.
func (q *Queue) periodic(p Periodic) *river.PeriodicJob {
	o := q.kinds[p.Args.Kind()].options
	unique := river.UniqueOpts{ByPeriod: p.Every, ByState: rivertype.JobStates()}
	return river.NewPeriodicJob(steady(p.Every), func() (river.JobArgs, *river.InsertOpts) {
		return p.Args, &river.InsertOpts{Queue: o.Queue, MaxAttempts: o.MaxAttempts, UniqueOpts: unique}
	}, &river.PeriodicJobOpts{ID: p.Args.Kind(), RunOnStart: true})
}

// steady is when a leader runs a schedule again: once in each period, away from the period's ends. River takes a run for that
// of the period in which it comes to enqueue it, so that one at the end, a little late, would be the next period's, and the
// next one would find it there.
type steady time.Duration

// Next implements river.PeriodicSchedule.
func (s steady) Next(now time.Time) time.Time {
	every := time.Duration(s)
	begun := now.Truncate(every)
	return begun.Add(every + min(max(now.Sub(begun), every/4), every/2))
}

func outcomeOf(e *river.Event) Outcome {
	switch {
	case e.Kind == river.EventKindJobCompleted:
		return Completed
	case e.Kind == river.EventKindJobCancelled:
		return Cancelled
	case e.Job.State == rivertype.JobStateDiscarded:
		return Discarded
	default:
		return Failed
	}
}

// stopWithin is Stop within a time of its own, for callers whose context may have ended.
func (w *Worker) stopWithin(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	defer cancel()
	return w.Stop(ctx)
}

// HardStop is what Stop takes longer than its context, for jobs to notice that they were cancelled.
const HardStop = 2 * time.Second

// Stop takes no new jobs and waits for those at work until ctx ends. Those that go on are cancelled then, and go back to
// the queue for another attempt.
func (w *Worker) Stop(ctx context.Context) error {
	if w.client == nil {
		return nil
	}
	w.stop()
	err := w.client.Stop(ctx)
	if err != nil {
		now, cancel := context.WithTimeout(context.WithoutCancel(ctx), HardStop)
		defer cancel()
		err = w.client.StopAndCancel(now)
	}
	w.ended()
	<-w.told
	if err != nil {
		return fmt.Errorf("job: some jobs did not end and will be tried again: %w", err)
	}
	return nil
}
