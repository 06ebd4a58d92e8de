import { create } from '@bufbuild/protobuf';
import { beforeEach, expect, test, vi } from 'vitest';

import { SendResponseSchema } from '../api/gen/muster/v1/group_pb.ts';
import { FakeLive, refused, settle, tabs } from './fake.ts';
import type { Kept } from './kept.ts';
import { Outbox, type Sent } from './outbox.ts';
import { Scope } from './scope.ts';

/** A server's side of Send: an id stands once, however often it comes. */
class Log {
  readonly ids: string[] = [];
  lose = 0;

  send = (_: string, value: unknown): unknown => {
    const { clientMessageId: id } = value as { clientMessageId: string };
    if (!this.ids.includes(id)) this.ids.push(id);
    if (this.lose-- > 0) return new Promise(() => {}); // durable, but the answer never arrives
    return create(SendResponseSchema, { seq: BigInt(this.ids.indexOf(id) + 1) });
  };
}

let log: Log;
let scope: Scope;

beforeEach(() => {
  log = new Log();
  scope = new Scope();
  return () => scope.end();
});

function open(kept: Kept, live = new FakeLive(log.send)) {
  const sent: Sent[] = [];
  return { live, sent, outbox: new Outbox(live, kept, 7n, scope, (one) => sent.push(one)) };
}

test('what is written offline is sent on return, in order', async () => {
  const { live, outbox, sent } = open(tabs()[0]);
  const ids = ['a', 'b', 'c'].map((text) => outbox.add({ groupId: 1n, text }));
  await settle();
  expect(outbox.waiting.get().map((out) => out.text)).toEqual(['a', 'b', 'c']);
  live.online();
  await settle();
  expect(log.ids).toEqual(ids);
  expect(sent.map((one) => one.seq)).toEqual([1, 2, 3]);
  expect(outbox.waiting.get()).toEqual([]);
});

test('a message whose answer was lost is sent again under the same id', async () => {
  const { live, outbox } = open(tabs()[0]);
  live.online();
  log.lose = 1;
  const id = outbox.add({ groupId: 1n, text: 'once' });
  await settle();
  live.offline();
  await settle();
  expect(outbox.waiting.get()).toHaveLength(1);
  live.online();
  await settle();
  expect(live.calls.map((call) => call.value['clientMessageId'])).toEqual([id, id]);
  expect(log.ids).toEqual([id]);
  expect(outbox.waiting.get()).toEqual([]);
});

test('a reload loses nothing', async () => {
  const [kept] = tabs();
  const first = open(kept);
  const id = first.outbox.add({ groupId: 1n, text: 'kept', replyTo: 4, subgroupId: 9n });
  const second = open(kept); // the page after the reload
  expect(second.outbox.waiting.get()).toMatchObject([{ id, groupId: 1n, text: 'kept', replyTo: 4, subgroupId: 9n }]);
  second.live.online();
  await settle();
  expect(log.ids).toEqual([id]);
  expect(open(kept).outbox.waiting.get()).toEqual([]);
});

test('two tabs show the same, and one that is online sends what the other wrote', async () => {
  const [mine, theirs] = tabs();
  const [a, b] = [open(mine), open(theirs)];
  b.live.online();
  const id = a.outbox.add({ groupId: 1n, text: 'from a' });
  expect(b.outbox.waiting.get()).toHaveLength(1);
  b.live.online();
  await settle();
  expect(log.ids).toEqual([id]);
  expect(a.outbox.waiting.get()).toEqual([]);
});

test('a refusal keeps the message, with its reason, until the person decides', async () => {
  const live = new FakeLive(() => Promise.reject(refused('not_found', 'group_not_found')));
  const { outbox } = open(tabs()[0], live);
  live.online();
  const id = outbox.add({ groupId: 1n, text: 'dear text' });
  await settle();
  expect(outbox.waiting.get()[0]?.failure?.reason).toBe('group_not_found');
  outbox.again(id);
  await settle();
  expect(live.calls).toHaveLength(2);
  outbox.forget(id);
  expect(outbox.waiting.get()).toEqual([]);
});

test('a server that asks for patience gets it', async () => {
  vi.useFakeTimers();
  let patience = 1;
  const live = new FakeLive((kind, value) =>
    patience-- > 0 ? Promise.reject(refused('resource_exhausted', 'too_fast', 3_000)) : log.send(kind, value),
  );
  const { outbox } = open(tabs()[0], live);
  live.online();
  outbox.add({ groupId: 1n, text: 'soon' });
  await vi.advanceTimersByTimeAsync(2_900);
  expect(log.ids).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(log.ids).toHaveLength(1);
  expect(outbox.waiting.get()).toEqual([]);
  vi.useRealTimers();
});

test('what is refused as too fast goes before what was written later', async () => {
  vi.useFakeTimers();
  let left = 2;
  const texts: string[] = [];
  const live = new FakeLive((_, value) => {
    if (left-- <= 0) return Promise.reject(refused('resource_exhausted', 'too_fast', 200));
    texts.push(String((value as { text: string }).text));
    return create(SendResponseSchema, { seq: BigInt(texts.length) });
  });
  const { outbox } = open(tabs()[0], live);
  live.online();
  const all = Array.from({ length: 9 }, (_, i) => `m${i}`);
  for (const text of all) outbox.add({ groupId: 1n, text });
  for (let i = 0; i < 20; i++) {
    await vi.advanceTimersByTimeAsync(100);
    left = i % 3 === 2 ? 1 : 0;
    outbox.add({ groupId: 1n, text: `later ${i}` });
  }
  left = 1_000;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(texts).toEqual([...all, ...Array.from({ length: 20 }, (_, i) => `later ${i}`)]);
  expect(outbox.waiting.get()).toEqual([]);
  vi.useRealTimers();
});

test('one group that waits for an answer does not hold up another', async () => {
  const live = new FakeLive((_, value) =>
    (value as { groupId: bigint }).groupId === 1n ? new Promise(() => {}) : create(SendResponseSchema, { seq: 1n }),
  );
  const { outbox } = open(tabs()[0], live);
  live.online();
  for (const groupId of [1n, 1n, 2n]) outbox.add({ groupId, text: 'x' });
  await settle();
  expect(outbox.waiting.get().map((out) => out.groupId)).toEqual([1n, 1n]);
  expect(live.calls).toHaveLength(2);
});

test('what a tab wrote that is gone is sent by another one that stayed online', async () => {
  vi.useFakeTimers();
  const [mine, theirs] = tabs();
  const a = open(mine);
  const b = open(theirs);
  b.live.online();
  const id = a.outbox.add({ groupId: 1n, text: 'last words' });
  await vi.advanceTimersByTimeAsync(4_000);
  expect(log.ids).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(log.ids).toEqual([id]);
  vi.useRealTimers();
});

test('a refusal outlives a reload: nothing goes out behind the back of the person', async () => {
  const [kept] = tabs();
  const live = new FakeLive(() => Promise.reject(refused('not_found', 'group_not_found')));
  live.online();
  open(kept, live).outbox.add({ groupId: 1n, text: 'dear text' });
  await settle();
  const again = open(kept);
  again.live.online();
  await settle();
  expect(log.ids).toEqual([]);
  expect(again.outbox.waiting.get()[0]?.failure?.reason).toBe('group_not_found');
});

test('a message that breaks the server is set aside, and the next one gets through', async () => {
  vi.useFakeTimers();
  const live = new FakeLive((kind, value) =>
    (value as { text: string }).text === 'bad' ? Promise.reject(refused('internal', '', 1)) : log.send(kind, value),
  );
  const { outbox } = open(tabs()[0], live);
  live.online();
  outbox.add({ groupId: 1n, text: 'bad' });
  const id = outbox.add({ groupId: 1n, text: 'good' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log.ids).toEqual([id]);
  expect(outbox.waiting.get().map((out) => [out.text, out.failure?.code])).toEqual([['bad', 'internal']]);
  vi.useRealTimers();
});
