// Package job runs what must happen after a change and beside the request that made it: mail, clean-up, deliveries. A job is
// a row that commits with its cause, so that there is never one without the other; workers, any number of them in any number
// of processes, take jobs at least once each. It stands on River (https://riverqueue.com), whose tables begin with river_.
//
// Arguments are stored as they are: nothing secret belongs in them.
package job
