'use strict';
// A broker that speaks as much of Azure Service Bus's AMQP 1.0 as its clients need: queues, topics and subscriptions,
// sessions, locks, dead-letter queues, shared access signatures, one token of an identity, and faults on demand.
// docs/how-to/azure-service-bus.md lists where it differs from Azure.
//
//   node broker.js <port of the control API>

const crypto = require('crypto');
const http = require('http');
const rhea = require('rhea');
const { Namespace } = require('./entities.js');

const KEY_NAME = 'tests';
const KEY = crypto.randomBytes(32).toString('base64');
// What stands for a token that Entra has issued to somebody with the right: it is compared, and not looked into.
const IDENTITY = [{ alg: 'none', typ: 'JWT' }, { aud: 'https://servicebus.azure.net', jti: crypto.randomUUID() }]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.';
const BATCH_FORMAT = 0x80013700;
const SESSION_FILTER = 'com.microsoft:session-filter';
const DEFAULT_MAX_SIZE = 256 * 1024;
const TICKS_AT_1970 = 621355968000000000n;

const namespace = new Namespace();
const container = rhea.create_container({ id: 'servicebus-for-tests' });
container.sasl_server_mechanisms.enable_anonymous();

const int = (n) => rhea.types.wrap_int(n);
const timestamp = (ms) => rhea.types.wrap_timestamp(ms);

// state is what is kept for a connection.
function state(connection) {
  if (!connection.broker) connection.broker = { replies: new Map(), audiences: new Set() };
  return connection.broker;
}

// ---- Rights

// signed says whether a shared access signature is of our key and has not expired.
function signed(token) {
  const fields = new URLSearchParams(String(token).replace(/^SharedAccessSignature\s+/, ''));
  const digest = crypto.createHmac('sha256', KEY).update(encodeURIComponent(fields.get('sr')).replace(/%[0-9A-F]{2}/g, (s) => s.toLowerCase()) + '\n' + fields.get('se'));
  const upper = crypto.createHmac('sha256', KEY).update(encodeURIComponent(fields.get('sr')) + '\n' + fields.get('se'));
  return fields.get('skn') === KEY_NAME && Number(fields.get('se')) * 1000 > Date.now() &&
    [digest.digest('base64'), upper.digest('base64')].includes(fields.get('sig'));
}

function entityOf(audience) {
  const path = String(audience).replace(/^[a-z]+:\/\/[^/]*\//, '').replace(/\/$/, '');
  return decodeURIComponent(path).toLowerCase().replace(/\/\$management$/, '');
}

function putToken(connection, message) {
  const { name, type } = message.application_properties;
  const entity = entityOf(name);
  const token = message.body && message.body.content ? message.body.content : message.body;
  const good = type === 'jwt' ? String(token) === IDENTITY : signed(token);
  if (!good || namespace.fault(entity).unauthorized) return [401, 'InvalidSignature: the token has an invalid signature'];
  state(connection).audiences.add(entity);
  return [202, 'Accepted'];
}

function authorized(connection, address) {
  const entity = address.toLowerCase().replace(/\/\$management$/, '');
  return state(connection).audiences.has(entity) && !namespace.fault(entity).unauthorized;
}

// ---- Requests

function reply(context, code, description, body, status) {
  const request = context.message;
  const out = state(context.connection).replies.get(request.reply_to);
  if (!out) return;
  const properties = { 'status-code': int(code), statusCode: int(code), 'status-description': description, statusDescription: description };
  if (status) properties.errorCondition = rhea.types.wrap_symbol(status);
  out.send({ correlation_id: request.message_id, application_properties: properties, body: body === undefined ? rhea.types.wrap_string('') : body });
}

function manage(context, address) {
  const store = namespace.store(address.replace(/\/\$management$/i, ''));
  const request = context.message;
  const body = request.body || {};
  const lost = () => reply(context, 410, 'the lock is lost', undefined, 'com.microsoft:message-lock-lost');
  switch (request.application_properties.operation) {
    case 'com.microsoft:renew-lock': {
      const entries = body['lock-tokens'].map((t) => store.held(t));
      if (entries.includes(undefined)) return lost();
      const until = entries.map((e) => store.renew(e));
      return reply(context, 200, 'OK', rhea.types.wrap_map({ expirations: rhea.types.wrap_array(until, 0x83) }));
    }
    case 'com.microsoft:renew-session-lock': {
      const until = store.renewSession(body['session-id']);
      if (until === undefined) return reply(context, 410, 'the lock is lost', undefined, 'com.microsoft:session-lock-lost');
      return reply(context, 200, 'OK', rhea.types.wrap_map({ expiration: timestamp(until) }));
    }
    case 'com.microsoft:update-disposition': {
      const entries = body['lock-tokens'].map((t) => store.held(t));
      if (entries.includes(undefined)) return lost();
      for (const e of entries) {
        if (body['disposition-status'] === 'completed') store.complete(e);
        else if (body['disposition-status'] === 'suspended') store.bury(e, body['deadletter-reason'], body['deadletter-description']);
        else store.abandon(e);
      }
      return reply(context, 200, 'OK');
    }
    case 'com.microsoft:peek-message':
      return reply(context, 204, 'there is nothing to look at here');
    default:
      return reply(context, 400, 'no operation of this broker');
  }
}

// ---- Links

function refuse(link, condition, description) { link.close({ condition, description }); }

function mirror(link) { // the client insists on its own modes
  link.local.attach.snd_settle_mode = link.remote.attach.snd_settle_mode;
  link.local.attach.rcv_settle_mode = link.remote.attach.rcv_settle_mode;
}

container.on('receiver_open', (context) => { // a client that sends
  const link = context.receiver;
  const address = link.target && link.target.address ? link.target.address : '';
  mirror(link);
  if (address !== '$cbs') {
    const entity = address.replace(/\/\$management$/i, '');
    if (!authorized(context.connection, entity)) return refuse(link, 'amqp:unauthorized-access', 'no token for ' + entity);
    if (!namespace.takes(entity)) return refuse(link, 'amqp:not-found', "the messaging entity '" + entity + "' could not be found");
  }
  link.set_target({ address });
  link.set_source({ address: link.source ? link.source.address : undefined });
  link.local.attach.max_message_size = namespace.limits.get(address.toLowerCase()) || DEFAULT_MAX_SIZE;
  link.broker = address;
});

container.on('sender_open', (context) => { // a client that receives
  const link = context.sender;
  const address = link.source && link.source.address ? link.source.address : '';
  mirror(link);
  link.set_target({ address: link.target ? link.target.address : undefined });
  if (address === '$cbs' || /\/\$management$/i.test(address)) {
    link.set_source({ address });
    state(context.connection).replies.set(link.target.address, link);
    link.local.attach.snd_settle_mode = 1;
    return undefined;
  }
  if (!authorized(context.connection, address)) return refuse(link, 'amqp:unauthorized-access', 'no token for ' + address);
  const store = namespace.store(address);
  if (!store) return refuse(link, 'amqp:not-found', "the messaging entity '" + address + "' could not be found");
  const source = { address };
  const filter = link.source.filter && link.source.filter[SESSION_FILTER];
  if (store.sessions !== (filter !== undefined)) return refuse(link, 'amqp:not-allowed', 'the entity ' + (store.sessions ? 'requires' : 'has no') + ' sessions');
  if (store.sessions) {
    const wanted = filter && filter.value !== undefined ? filter.value : filter;
    const session = store.lockSession(link, typeof wanted === 'string' ? wanted : null);
    if (session === undefined) return refuse(link, wanted ? 'com.microsoft:session-cannot-be-locked' : 'com.microsoft:timeout', 'no session is free');
    source.filter = { [SESSION_FILTER]: rhea.types.described(rhea.types.wrap_ulong(0x137000000C), rhea.types.wrap_string(session)) };
    link.session_id = session;
    link.local.attach.properties = { 'com.microsoft:locked-until-utc': rhea.types.wrap_long(Number(BigInt(store.sessionLocks.get(session).until) * 10000n + TICKS_AT_1970)) };
  }
  link.set_source(source);
  link.broker = store;
  consumers(store).add(link);
  return undefined;
});

const consuming = new Map(); // store → links

function consumers(store) {
  if (!consuming.has(store)) {
    consuming.set(store, new Set());
    store.wake = () => setImmediate(deliver, store);
  }
  return consuming.get(store);
}

// deliver gives each consumer with credit one entry, and then comes again: a link counts its credit down between turns alone.
function deliver(store) {
  let more = false;
  for (const link of consumers(store)) {
    const entry = link.is_open() && link.sendable() ? store.take(link.session_id) : null;
    if (!entry) continue;
    link.send(outgoing(entry), entry.lock.token);
    more = true;
  }
  if (more) store.wake();
}

function outgoing(entry) {
  const m = entry.message;
  const properties = { ...(m.application_properties || {}) };
  if (entry.reason !== undefined) properties.DeadLetterReason = entry.reason;
  if (entry.description !== undefined) properties.DeadLetterErrorDescription = entry.description;
  return {
    ...m, delivery_count: entry.deliveries,
    message_annotations: {
      'x-opt-sequence-number': rhea.types.wrap_long(entry.seq), 'x-opt-enqueued-time': timestamp(entry.enqueued), 'x-opt-locked-until': timestamp(entry.lock.until),
    },
    application_properties: properties,
  };
}

container.on('sendable', (context) => { if (context.sender.broker) context.sender.broker.wake(); });
container.on('sender_draining', (context) => context.sender.set_drained(true));

function forget(link) {
  const store = link.broker;
  if (!store || !store.entries) return;
  consumers(store).delete(link);
  if (link.session_id !== undefined) store.unlockSession(link.session_id, link);
}

container.on('sender_close', (context) => forget(context.sender));
container.on('session_close', (context) => { for (const l of Object.values(context.session.links)) forget(l); });
container.on('disconnected', (context) => context.connection.each_link((l) => forget(l)));
container.on('protocol_error', () => {});
container.on('error', () => {}); // a client that says goodbye with an error

// ---- Messages that come in

function parts(context) { // one message, or those of a batch
  if (context.format !== BATCH_FORMAT) return [context.message];
  const reader = new rhea.types.Reader(context.message);
  const out = [];
  while (reader.remaining()) {
    const section = reader.read();
    if (Number(section.descriptor.value) === 0x75) out.push(rhea.message.decode(section.value));
  }
  return out;
}

container.on('message', (context) => {
  const link = context.receiver;
  const accept = () => context.delivery.update(true, rhea.message.accepted().described());
  if (link.broker === '$cbs') {
    accept();
    const [code, description] = putToken(context.connection, context.message);
    return reply(context, code, description);
  }
  if (/\/\$management$/i.test(link.broker)) {
    accept();
    return manage(context, link.broker);
  }
  const fault = namespace.fault(link.broker);
  const reject = (condition) => context.delivery.reject({ condition, description: 'as the test has asked for' });
  if (fault.busy > 0) {
    fault.busy--;
    return reject('com.microsoft:server-busy');
  }
  const messages = parts(context);
  if (fault.refuse !== undefined && messages.some((m) => String(m.body && m.body.content).includes(fault.refuse))) return reject('amqp:not-allowed');
  for (const m of messages) namespace.put(link.broker, m);
  if (Math.random() < (fault.cut || 0)) return context.connection.socket.destroy(); // they are here, and the client never hears of it
  return accept();
});

// ---- What becomes of messages that went out

function settle(context, act) {
  const store = context.sender.broker;
  const entry = store && store.held && store.held(context.delivery.tag);
  const fault = store ? namespace.fault(store.name) : {};
  if (entry && Math.random() < (fault.cut_settlement || 0)) {
    context.connection.socket.destroy();
    return;
  }
  if (entry) act(store, entry);
  if (entry || !store || !store.held) context.delivery.update(true, rhea.message.accepted().described());
  else context.delivery.update(true, rhea.message.rejected({ error: { condition: 'com.microsoft:message-lock-lost', description: 'the lock is lost' } }).described());
}

container.on('accepted', (context) => settle(context, (s, e) => s.complete(e)));
container.on('released', (context) => settle(context, (s, e) => s.release(e)));
container.on('modified', (context) => settle(context, (s, e) => s.abandon(e)));
container.on('rejected', (context) => settle(context, (s, e) => {
  const info = (context.delivery.remote_state.error && context.delivery.remote_state.error.info) || {};
  s.bury(e, info.DeadLetterReason, info.DeadLetterErrorDescription);
}));

// ---- Control

const sockets = new Set();
const amqp = container.listen({
  host: '127.0.0.1', port: 0, max_frame_size: 65536, idle_time_out: 240000,
  receiver_options: { autoaccept: false, credit_window: 200 }, sender_options: { autosettle: false, treat_modified_as_released: false },
});
amqp.on('connection', (socket) => {
  socket.setNoDelay(true);
  sockets.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
});

const operations = {
  'GET /': () => ({ broker: 'servicebus-for-tests', port: amqp.address().port, key_name: KEY_NAME, key: KEY, identity: IDENTITY }),
  'POST /entities': (body) => { namespace.create(body); return {}; },
  'POST /faults': (body) => { namespace.faults.set(body.entity.toLowerCase(), body); return {}; },
  'POST /cut': () => { for (const s of sockets) s.destroy(); return {}; },
  'GET /messages': (_, query) => {
    const store = namespace.store(query.get('entity'));
    return { active: store.list(), dead: store.dead ? store.dead.list() : [], completed: store.completed };
  },
};

http.createServer((request, response) => {
  const url = new URL(request.url, 'http://broker');
  const operation = operations[request.method + ' ' + url.pathname];
  const chunks = [];
  request.on('data', (c) => chunks.push(c));
  request.on('end', () => {
    let code = 200;
    let answer;
    try {
      answer = operation(chunks.length ? JSON.parse(Buffer.concat(chunks)) : {}, url.searchParams);
    } catch (e) {
      code = 400;
      answer = { error: String(e) };
    }
    response.writeHead(code, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
