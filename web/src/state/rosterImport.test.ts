import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ImportRosterResponseSchema, type ImportRosterRequestSchema } from '../api/gen/muster/v1/channel_pb.ts';
import { refused } from './fake.ts';
import { RosterImport } from './rosterImport.ts';

type Messages = readonly MessageInitShape<typeof ImportRosterRequestSchema>[];

let calls: Messages[];
let answer: (messages: Messages) => Promise<{ added?: bigint; bad?: bigint; badLines?: object[] }>;
let job: RosterImport;

beforeEach(() => {
  vi.useFakeTimers();
  calls = [];
  answer = async (messages) => ({ added: BigInt(messages.flatMap((m) => m.lines ?? []).length) });
  job = new RosterImport(9n, async (messages) => {
    calls.push(messages);
    return create(ImportRosterResponseSchema, await answer(messages));
  });
});
afterEach(() => vi.useRealTimers());

function file(text: string, name = 'roster.csv') {
  const blob = new Blob([text]);
  return { name, size: blob.size, stream: () => blob.stream() };
}

const people = (count: number) => Array.from({ length: count }, (_, i) => `person${i},,member\n`).join('');

test('a long file goes in calls whose first message names the channel', async () => {
  const sent: number[] = [];
  job.value.subscribe(() => sent.push(job.value.get().sent));
  const text = people(12_345);
  await job.start(file(text), true);
  expect(job.value.get()).toMatchObject({ phase: 'done', added: 12_345, bad: 0, sent: text.length, size: text.length });
  expect(calls.map((messages) => messages.flatMap((m) => m.lines ?? []).length)).toEqual([5_000, 5_000, 2_345]);
  for (const [first, ...rest] of calls) {
    expect(first).toMatchObject({ channelId: 9n, createAccounts: true });
    for (const message of rest) expect(message).not.toHaveProperty('channelId');
  }
  expect(sent).toEqual(sent.toSorted((a, b) => a - b)); // never back
  expect(new Set(sent).size).toBeGreaterThan(2);
});

test('bad lines of both sides stand in the order of the file', async () => {
  answer = async () => ({
    added: 1n,
    bad: 1n,
    badLines: [{ line: 3n, problem: 'you may not grant the level vip here' }],
  });
  await job.start(file('carl,C,vip\nanna,A,boss\nben,B,vip\n'), false);
  expect(job.value.get()).toMatchObject({
    phase: 'done',
    added: 1,
    bad: 2,
    badLines: [
      { line: 2, problem: 'level', text: 'anna,A,boss' },
      { line: 3, said: 'you may not grant the level vip here', text: 'ben' },
    ],
  });
});

test('a name without an account is told in the own language of the page', async () => {
  answer = async () => ({ bad: 1n, badLines: [{ line: 1n, problem: 'there is no account named nobody' }] });
  await job.start(file('nobody,N,vip\n'), false);
  expect(job.value.get().badLines).toEqual([{ line: 1, problem: 'nobody', text: 'nobody' }]);
});

test('a file of bad lines only keeps the first thousand and counts all', async () => {
  await job.start(file('x,y,boss\n'.repeat(20_000)), false);
  expect(job.value.get()).toMatchObject({ phase: 'done', bad: 20_000, added: 0 });
  expect(job.value.get().badLines).toHaveLength(1_000);
});

test('without an answer the same lines are sent again until there is one', async () => {
  let fails = 3;
  const good = answer;
  answer = async (messages) => {
    if (fails-- > 0) throw refused('unavailable', 'no_answer', 100);
    return good(messages);
  };
  const done = job.start(file(people(3)), false);
  await vi.waitFor(() => expect(job.value.get().phase).toBe('waiting'));
  await vi.runAllTimersAsync();
  await done;
  expect(job.value.get()).toMatchObject({ phase: 'done', added: 3 });
  expect(calls).toHaveLength(4);
  expect(
    new Set(calls.map((messages) => JSON.stringify(messages, (_, v) => (typeof v === 'bigint' ? `${v}` : v)))).size,
  ).toBe(1);
});

test('a refusal, a file that is no roster, and a person can end it', async () => {
  answer = async () => {
    throw refused('permission_denied', 'not_channel_admin');
  };
  await job.start(file(people(3)), false);
  expect(job.value.get()).toMatchObject({ phase: 'failed', failure: { reason: 'not_channel_admin' } });
  await job.start(file('PK\u0003\u0004'), false);
  expect(job.value.get()).toMatchObject({ phase: 'failed', problem: 'archive' });
  answer = async () => {
    throw refused('unavailable', 'no_answer', 1_000_000);
  };
  const done = job.start(file(people(3)), false);
  await vi.waitFor(() => expect(job.value.get().phase).toBe('waiting'));
  job.stop();
  await done;
  expect(job.value.get().phase).toBe('stopped');
  job.clear();
  expect(job.value.get().phase).toBe('idle');
});
