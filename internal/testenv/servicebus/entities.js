'use strict';
// What a namespace holds: queues, topics with subscriptions, and what lies in them. No network here.

const crypto = require('crypto');


class Store { // a queue, a subscription, or the dead-letter queue of either
  constructor(name, options) {
    this.name = name;
    this.sessions = Boolean(options.sessions);
    this.lockMs = options.lock_ms || 30000;
    this.maxDeliveries = options.max_deliveries || 10;
    this.filter = options.filter || null; // of a subscription: property → value
    this.dedup = Boolean(options.dedup);
    this.seen = new Set(); // message ids, where duplicates are dropped
    this.entries = []; // in order of arrival
    this.byToken = new Map(); // lock token → entry
    this.sessionLocks = new Map(); // session → { owner, until, timer }
    this.next = 1;
    this.completed = 0;
    this.wake = () => {}; // there may be something to deliver
    this.dead = name.endsWith('/$deadletterqueue') ? null : new Store(name + '/$deadletterqueue', { lock_ms: options.lock_ms });
  }

  put(message, extra) {
    const id = message.message_id;
    if (this.dedup && this.seen.has(id)) return;
    this.seen.add(id);
    this.entries.push({
      seq: this.next++, message, session: message.group_id, deliveries: 0, enqueued: Date.now(), lock: null, ...extra,
    });
    this.wake();
  }

  // take locks the first entry that may be delivered; to the holder of a session, its next one.
  take(session) {
    const entry = this.entries.find((e) => !e.lock && (!this.sessions || e.session === session));
    if (!entry) return null;
    entry.lock = { token: crypto.randomBytes(16), until: 0, timer: null };
    this.byToken.set(entry.lock.token.toString('hex'), entry);
    this.renew(entry);
    return entry;
  }

  renew(entry) {
    clearTimeout(entry.lock.timer);
    entry.lock.until = Date.now() + this.lockMs;
    if (!this.sessions) entry.lock.timer = setTimeout(() => this.abandon(entry), this.lockMs);
    return entry.lock.until;
  }

  // held finds what a lock token, as it is or in the byte order of a GUID, stands for.
  held(token) {
    const swapped = Buffer.from(token);
    swapped.subarray(0, 4).reverse();
    swapped.subarray(4, 6).reverse();
    swapped.subarray(6, 8).reverse();
    return this.byToken.get(Buffer.from(token).toString('hex')) || this.byToken.get(swapped.toString('hex'));
  }

  unlock(entry) {
    clearTimeout(entry.lock.timer);
    this.byToken.delete(entry.lock.token.toString('hex'));
    entry.lock = null;
  }

  complete(entry) {
    this.unlock(entry);
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.completed++;
  }

  release(entry) {
    this.unlock(entry);
    this.wake();
  }

  abandon(entry) {
    entry.deliveries++;
    if (entry.deliveries >= this.maxDeliveries && this.dead) {
      this.bury(entry, 'MaxDeliveryCountExceeded', 'it was delivered ' + entry.deliveries + ' times');
      return;
    }
    this.release(entry);
  }

  bury(entry, reason, description) {
    this.complete(entry);
    this.completed--;
    if (this.dead) this.dead.put(entry.message, { reason, description, deliveries: entry.deliveries });
  }

  // lockSession gives a session to an owner: the one that is named, or the first that has something; undefined where it cannot.
  lockSession(owner, wanted) {
    const free = (s) => !this.sessionLocks.has(s);
    const session = wanted === undefined || wanted === null
      ? (this.entries.find((e) => !e.lock && e.session !== undefined && free(e.session)) || {}).session
      : free(wanted) ? wanted : undefined;
    if (session === undefined) return undefined;
    this.sessionLocks.set(session, { owner, until: 0, timer: null });
    this.renewSession(session);
    return session;
  }

  renewSession(session) {
    const lock = this.sessionLocks.get(session);
    if (!lock) return undefined;
    clearTimeout(lock.timer);
    lock.until = Date.now() + this.lockMs;
    lock.timer = setTimeout(() => this.unlockSession(session, lock.owner), this.lockMs);
    return lock.until;
  }

  unlockSession(session, owner) {
    const lock = this.sessionLocks.get(session);
    if (!lock || lock.owner !== owner) return;
    clearTimeout(lock.timer);
    this.sessionLocks.delete(session);
    for (const entry of this.entries.filter((e) => e.lock && e.session === session)) this.abandon(entry);
    this.wake();
  }

  list() {
    return this.entries.map((e) => ({
      id: e.message.message_id, session: e.session, label: e.message.subject, content_type: e.message.content_type,
      properties: e.message.application_properties || {}, body: bodyOf(e.message).toString('utf8'), deliveries: e.deliveries,
      locked: Boolean(e.lock), reason: e.reason, description: e.description,
    }));
  }
}

function bodyOf(message) {
  const body = message.body;
  if (body && body.content) return Buffer.isBuffer(body.content) ? body.content : Buffer.concat(body.content);
  return Buffer.from(body === undefined ? '' : String(body));
}

// Namespace is queues and topics by name. Names are compared in lower case, as Azure does.
class Namespace {
  constructor() {
    this.stores = new Map();
    this.topics = new Map(); // name → its subscriptions
    this.faults = new Map(); // name of a queue or topic → what is to go wrong
    this.limits = new Map(); // name → most bytes of a message
  }

  create(o) {
    if (o.queue) this.add(o.queue, o);
    if (o.topic) {
      const topic = o.topic.toLowerCase();
      this.topics.set(topic, o.subscriptions.map((s) => this.add(topic + '/subscriptions/' + s.name, { ...o, ...s })));
    }
    if (o.max_size) this.limits.set((o.queue || o.topic).toLowerCase(), o.max_size);
  }

  add(name, o) {
    const store = new Store(name.toLowerCase(), o);
    this.stores.set(store.name, store);
    if (store.dead) this.stores.set(store.dead.name, store.dead);
    return store;
  }

  store(address) { return this.stores.get(address.toLowerCase()); }

  takes(address) { return this.topics.has(address.toLowerCase()) || this.stores.has(address.toLowerCase()); }

  fault(address) { return this.faults.get(address.toLowerCase()) || {}; }

  put(address, message) {
    const topic = this.topics.get(address.toLowerCase());
    const properties = { ...(message.application_properties || {}), label: message.subject };
    const wants = (s) => !s.filter || Object.entries(s.filter).every(([k, v]) => properties[k] === v);
    const stores = topic ? topic.filter(wants) : [this.store(address)];
    for (const s of stores) s.put(message);
  }
}

module.exports = { Namespace };
