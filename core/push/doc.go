// Package push tells the other instances what has changed, so that what they remember of it is dropped at once. The truth
// stays in the database: a message carries keys and never values, and losing one costs time, not correctness.
//
// A Bus has a channel for each server that can carry messages: LISTEN and NOTIFY on PostgreSQL, the invalidations of
// client-side caching on Redis. Where there is Redis, messages go through it, and those that it does not take go through
// PostgreSQL; so a Bus listens on both. On SQLite there is no channel, since commands write beside the server.
//
// # How old a remembered value may be
//
// Each cache that follows a topic keeps what it loads for LongTTL while every channel is proven alive, and for ShortTTL
// otherwise. That nothing is kept for LongTTL of which a message was missed rests on four facts.
//
//   - A channel is ordered: PostgreSQL delivers in the order of the commits, Redis in that of the writes, and each over one
//     connection. So when a heartbeat of ours comes back, whatever was sent after the connection stood and before the
//     heartbeat has arrived, too.
//   - A channel is alive from the first heartbeat that was sent after its connection stood and came back, until the
//     connection is lost or the newest one that came back was sent more than 3 s ago. Each new connection is proven anew.
//   - When the last channel comes alive, the long time is set first, then everything is cleared, which voids the loads under
//     way as well. So what is kept for long was read after that: changes before it were read, those after it are told.
//   - When a channel is no longer alive, the short time is set first, then everything is cleared. A load that ends in between
//     is cleared with the rest, and one that ends later has been voided.
//
// A message is sent after the commit of its cause, so a value that was read before the commit is dropped when it arrives,
// and a load under way is voided. What is missed between a channel's failure and its discovery is 3 s old at most then.
//
// An instance that dies between commit and message, or cannot send, falls silent: it sends no heartbeat while it has
// something to tell that nobody took. The others notice within 4 s, and clear what they remember.
//
// # Whoever is alone tells nobody
//
// A Bus is alone that has heard no other for 5 s in which every channel was alive. It sends its heartbeats, but what has
// changed it only notes, by topic. When it is no longer alone, it says of each topic noted that everything has changed: when it
// hears anything that is not its own, when a channel is no longer alive, and before its farewell. So little depends on whether
// it is right. Another that came unheard and keeps a value for LongTTL has sent a heartbeat before it read the value, and sends
// one each second after; the next that is heard ends the solitude, and where none can be heard, the channel is found silent
// within 3 s, and that ends it.
//
// What is lost is what an instance noted that is killed, or cut off from every server for 60 s, before it has told another that
// never heard it: that other learns of it when what it remembers expires.
package push
