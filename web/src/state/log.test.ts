import { create } from '@bufbuild/protobuf';
import { beforeEach, expect, test } from 'vitest';

import { GroupMessageSchema, ListMessagesResponseSchema, MessageKind } from '../api/gen/muster/v1/group_pb.ts';
import { GroupBehindSchema } from '../api/gen/muster/v1/live_pb.ts';
import { FakeLive, settle } from './fake.ts';
import { GroupLog } from './log.ts';
import { Scope } from './scope.ts';

const groupId = 5n;
let scope: Scope;
let head: number;
let live: FakeLive;

function message(seq: number) {
  const text = `text ${seq}`;
  return create(GroupMessageSchema, { groupId, seq: BigInt(seq), senderId: 1n, kind: MessageKind.TEXT, text });
}

/** history answers as the server does (ListMessages in group.proto). */
function history(_: string, value: unknown): unknown {
  const { before, after, limit } = value as { before?: bigint; after?: bigint; limit: number };
  const first = after === undefined ? Math.max(1, Number(before ?? BigInt(head + 1)) - limit) : Number(after) + 1;
  const last =
    before === undefined ? Math.min(head, after === undefined ? head : first + limit - 1) : Number(before) - 1;
  const messages = [];
  for (let seq = first; seq <= last; seq++) messages.push(message(seq));
  const more = after === undefined ? first > 1 : last < head;
  return create(ListMessagesResponseSchema, { messages, head: BigInt(head), more });
}

function push(seq: number): void {
  head = Math.max(head, seq);
  live.push({ case: 'groupMessage', value: message(seq) });
}

function seqs(log: GroupLog): number[] {
  return log.value.get().entries.map((entry) => entry.seq);
}

/** contiguous checks the one thing that always has to hold: the window has no gap and nothing twice. */
function contiguous(log: GroupLog): void {
  const all = seqs(log);
  expect(all).toEqual(all.map((_, index) => (all[0] ?? 0) + index));
}

beforeEach(() => {
  scope = new Scope();
  head = 0;
  live = new FakeLive(history);
  live.online();
  return () => scope.end();
});

test('an empty log takes its first message', async () => {
  const log = new GroupLog(live, groupId, 'end', scope);
  await settle();
  expect(log.value.get()).toMatchObject({ entries: [], atStart: true, atEnd: true, loading: 'none' });
  push(1);
  expect(seqs(log)).toEqual([1]);
});

test('pages go both ways and the window stays bounded', async () => {
  head = 5_000;
  const log = new GroupLog(live, groupId, 2_000, scope);
  await settle();
  expect(seqs(log)[0]).toBe(1_971);
  for (let i = 0; i < 15; i++) await log.before();
  contiguous(log);
  expect(seqs(log)).toHaveLength(600);
  expect(log.value.get().atEnd).toBe(false);
  for (let i = 0; i < 80; i++) await log.after();
  contiguous(log);
  expect(seqs(log).at(-1)).toBe(5_000);
  expect(log.value.get()).toMatchObject({ atEnd: true, atStart: false });
  push(5_001);
  expect(seqs(log).at(-1)).toBe(5_001);
});

test('a push beyond the next is a gap, and is mended', async () => {
  head = 100;
  const log = new GroupLog(live, groupId, 'end', scope);
  await settle();
  push(104);
  push(105);
  await settle();
  contiguous(log);
  expect(seqs(log).at(-1)).toBe(105);
  push(103); // late
  contiguous(log);
});

test('a push in the middle of history changes the head only', async () => {
  head = 1_000;
  const log = new GroupLog(live, groupId, 100, scope);
  await settle();
  const before = seqs(log);
  push(1_001);
  await settle();
  expect(seqs(log)).toEqual(before);
  expect(log.value.get().head).toBe(1_001);
});

test('being behind is made up for', async () => {
  head = 10;
  const log = new GroupLog(live, groupId, 'end', scope);
  await settle();
  head = 300;
  live.push({ case: 'groupBehind', value: create(GroupBehindSchema, { groupId, head: 300n }) });
  await settle();
  for (let i = 0; i < 10; i++) await settle();
  contiguous(log);
  expect(seqs(log).at(-1)).toBeGreaterThanOrEqual(70);
  while (!log.value.get().atEnd) await log.after();
  expect(seqs(log).at(-1)).toBe(300);
});

test('what was missed while away is there after the return', async () => {
  head = 10;
  const log = new GroupLog(live, groupId, 'end', scope);
  await settle();
  live.offline();
  head = 25;
  live.online();
  await settle();
  contiguous(log);
  expect(seqs(log).at(-1)).toBe(25);
});

test('a log that was opened offline is read on return', async () => {
  head = 3;
  live.offline();
  const log = new GroupLog(live, groupId, 'end', scope);
  await settle();
  expect(log.value.get().failure?.reason).toBe('offline');
  live.online();
  await settle();
  expect(seqs(log)).toEqual([1, 2, 3]);
  expect(log.value.get().failure).toBeUndefined();
});
