// The development server as the Node client @eventstore/db-client sees it: a smoke test of what applications do.
// Its sisters are test_kurrentdbclient.py and eventstore.rs. Never asks for what a real server would not do.
const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const path = require('node:path');
const { after, before, test } = require('node:test');
const ES = require('@eventstore/db-client');
const { devstore } = require('../../setup/programs.cjs');

let server;
let client;
before(async () => {
  server = await devstore(path.join(process.env.PROGRAMS, 'devstore'));
  client = ES.EventStoreDBClient.connectionString(`esdb://${server.address}?tls=false`);
});
after(async () => {
  await client.dispose();
  server.end();
});

const timed = { timeout: 30000 };
const name = () => `customer-${randomUUID()}`;
const events = (count, type = 'customer_registered') => Array.from({ length: count }, (_, n) => (
  ES.jsonEvent({ id: randomUUID(), type, data: { n }, metadata: { m: 1 } })));
const append = (stream, new_, expectedRevision = ES.NO_STREAM) => client.appendToStream(stream, new_, { expectedRevision });
const ids = (list) => list.map((event) => event.id);

async function read(stream, options) {
  const found = [];
  for await (const { event } of client.readStream(stream, options)) found.push(event);
  return found;
}

// The next `count` events of a subscription.
async function take(subscription, count) {
  const found = [];
  for await (const resolved of subscription.iterator({ destroyOnReturn: false })) {
    found.push(resolved);
    if (found.length === count) break;
  }
  return found;
}

async function until(condition) {
  for (;;) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 50)); // the test's own time limit ends it
  }
}

test('append and read both ways', timed, async () => {
  const stream = name();
  const new_ = events(3);
  await append(stream, new_.slice(0, 2));
  await append(stream, new_.slice(2), 1n);
  await assert.rejects(append(stream, events(1), 7n), ES.WrongExpectedVersionError);
  const forwards = await read(stream);
  assert.deepEqual(forwards.map(({ id, data, metadata, revision }) => ({ id, data, metadata, revision })),
    new_.map(({ id, data, metadata }, n) => ({ id, data, metadata, revision: BigInt(n) })));
  assert.deepEqual(ids(await read(stream, { direction: ES.BACKWARDS, fromRevision: ES.END, maxCount: 2 })),
    ids(new_.slice(1).reverse()));
});

test('catch-up with filter', timed, async () => {
  const stream = name();
  const type = `wanted-${randomUUID()}`;
  const [old, other, live] = [events(2, type), events(1, 'unwanted'), events(1, type)];
  await append(stream, [...old, ...other]);
  const all = client.subscribeToAll({ fromPosition: ES.START, filter: ES.eventTypeFilter({ prefixes: [type] }) });
  const one = client.subscribeToStream(stream, { fromRevision: 1n });
  try {
    assert.deepEqual(ids((await take(all, 2)).map(({ event }) => event)), ids(old));
    await append(stream, live, 2n);
    assert.deepEqual(ids((await take(all, 1)).map(({ event }) => event)), ids(live));
    assert.deepEqual(ids((await take(one, 2)).map(({ event }) => event)), ids([...other, ...live]));
  } finally {
    await Promise.all([all.unsubscribe(), one.unsubscribe()]);
  }
});

test('metadata', timed, async () => {
  const stream = name();
  await append(stream, events(5));
  await client.setStreamMetadata(stream, { maxCount: 2, owner: 'Zoë' });
  assert.deepEqual((await client.getStreamMetadata(stream)).metadata, { maxCount: 2, owner: 'Zoë' });
  assert.deepEqual((await read(stream)).map(({ revision }) => revision), [3n, 4n]);
});

test('delete', timed, async () => {
  const stream = name();
  await append(stream, events(2));
  await client.deleteStream(stream, { expectedRevision: 1n });
  await assert.rejects(read(stream), ES.StreamNotFoundError);
  await append(stream, events(1), ES.ANY);
  assert.deepEqual((await read(stream)).map(({ revision }) => revision), [2n]);
  await client.tombstoneStream(stream);
  await assert.rejects(read(stream), ES.StreamDeletedError);
});

test('persistent subscription with ack, park and replay', timed, async () => {
  const [stream, group, new_] = [name(), `group-${randomUUID()}`, events(3)];
  await append(stream, new_);
  await client.createPersistentSubscriptionToStream(stream, group,
    ES.persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: ES.START }));
  const parked = async () => (await client.getPersistentSubscriptionToStreamInfo(stream, group)).stats.parkedMessageCount;
  const subscription = client.subscribeToPersistentSubscriptionToStream(stream, group);
  try {
    const received = await take(subscription, 3);
    assert.deepEqual(ids(received.map(({ event }) => event)), ids(new_));
    await subscription.ack(received[0], received[2]);
    await subscription.nack(ES.PARK, 'wanted', received[1]);
    await until(async () => Number(await parked()) === 1);
    await client.replayParkedMessagesToStream(stream, group);
    const [replayed] = await take(subscription, 1);
    assert.equal(replayed.event.id, new_[1].id);
    await subscription.ack(replayed);
    await until(async () => Number(await parked()) === 0);
  } finally {
    await subscription.unsubscribe();
  }
  await client.deletePersistentSubscriptionToStream(stream, group);
});
