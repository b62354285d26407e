// Package event tells what happened: to modules, each in its own transaction. An event is a row that commits with its cause,
// so that there is never one without the other (a transactional outbox); workers, any number of them in any number of
// processes, hand events on to every destination, at least once each and those of one account in their order.
//
// Rows get their place in the order of delivery once they are committed, and a destination reads on from a place: nothing
// that commits late is passed over. What a destination cannot take is tried again, holds up the later events of its account
// alone, and is set aside as dead in the end.
//
// Nothing secret belongs in an event. Members that tell about a person are marked, kept apart, and gone with the account.
package event
