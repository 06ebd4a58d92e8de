import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { GroupMessageSchema, ListMessagesResponseSchema } from '../api/gen/muster/v1/group_pb.ts';
import { SomebodyTypingSchema } from '../api/gen/muster/v1/live_pb.ts';
import { FakeLive, settle } from './fake.ts';
import { GroupLog } from './log.ts';
import { Quotes } from './quotes.ts';
import { Scope } from './scope.ts';
import { Typing } from './typing.ts';

const groupId = 5n;
const head = 500;
let scope: Scope;

beforeEach(() => {
  scope = new Scope();
  return () => scope.end();
});
afterEach(() => vi.useRealTimers());

/** A log whose n-th message says "n". */
function history(_: string, value: unknown): unknown {
  const { after, limit } = value as { after?: bigint; limit: number };
  const first = after === undefined ? head - limit + 1 : Number(after) + 1;
  const messages = [];
  for (let seq = first; seq <= Math.min(head, first + limit - 1); seq++)
    messages.push(create(GroupMessageSchema, { groupId, seq: BigInt(seq), text: String(seq) }));
  return create(ListMessagesResponseSchema, { messages, head: BigInt(head), more: true });
}

test('a quoted message is taken from the window, else read once', async () => {
  const live = new FakeLive(history);
  live.online();
  const log = new GroupLog(live, groupId, 'end', scope);
  const quotes = new Quotes(live, log, scope);
  await settle();
  const before = live.calls.length;
  await quotes.ask(490);
  expect([quotes.of(490)?.text, live.calls.length]).toEqual(['490', before]);
  expect(quotes.of(3)).toBeUndefined();
  await Promise.all([quotes.ask(3), quotes.ask(3), quotes.ask(0), quotes.ask(900)]);
  expect([quotes.of(3)?.text, quotes.value.get().size, live.calls.length]).toEqual(['3', 1, before + 2]);
});

test('a quote that could not be read is read after the return', async () => {
  const live = new FakeLive(history);
  const log = new GroupLog(live, groupId, 'end', scope);
  const quotes = new Quotes(live, log, scope);
  await quotes.ask(3);
  expect(quotes.of(3)).toBeUndefined();
  live.online();
  await quotes.ask(3);
  expect(quotes.of(3)?.text).toBe('3');
});

test('who writes is named until they are silent or have written, oneself never', async () => {
  vi.useFakeTimers();
  const live = new FakeLive(history);
  const typing = new Typing(live, groupId, 1n, scope);
  const hint = (accountId: bigint, group = groupId) =>
    live.push({
      case: 'typing',
      value: create(SomebodyTypingSchema, { groupId: group, accountId, nickname: `n${accountId}` }),
    });
  hint(1n);
  hint(2n);
  hint(3n);
  hint(4n, 6n);
  expect(typing.value.get()).toEqual(['n2', 'n3']);
  await vi.advanceTimersByTimeAsync(4_000);
  hint(2n);
  live.push({ case: 'groupMessage', value: create(GroupMessageSchema, { groupId, seq: 501n, senderId: 3n }) });
  expect(typing.value.get()).toEqual(['n2']);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(typing.value.get()).toEqual(['n2']);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(typing.value.get()).toEqual([]);
});
