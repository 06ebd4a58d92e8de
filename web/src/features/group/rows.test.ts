import { expect, test } from 'vitest';

import type { Entry } from '../../state/log.ts';
import type { Outgoing } from '../../state/outbox.ts';
import { heightOf, indexOf, rowsOf, type Row } from './rows.ts';

const noon = new Date(2026, 2, 4, 12).getTime();
const minute = 60_000;

function entry(seq: number, fields: Partial<Entry> = {}): Entry {
  return {
    seq,
    timeMs: noon + seq * minute,
    senderId: 1n,
    nickname: 'anna',
    clientMessageId: `id${seq}`,
    kind: 'text',
    text: `text ${seq}`,
    replyTo: 0,
    subgroupId: 0n,
    count: 0,
    ...fields,
  };
}

const other = (seq: number) => entry(seq, { senderId: 2n });

function out(id: string, fields: Partial<Outgoing> = {}): Outgoing {
  return { id, groupId: 5n, text: id, replyTo: 0, subgroupId: 0n, writtenMs: noon, ...fields };
}

/** What is seen: a name above a message as "+", none as "-". */
function shape(rows: readonly Row[]): string {
  return rows
    .map((row) => {
      if (row.kind === 'day' || row.kind === 'unread') return row.kind;
      const what = row.kind === 'entry' ? String(row.entry.seq) : row.out.id;
      return (row.follows ? '-' : '+') + what;
    })
    .join(' ');
}

const day = 24 * 60 * minute;
const cases: [string, Entry[], Outgoing[], number | undefined, string][] = [
  ['one sender', [entry(1), entry(2), entry(3)], [], undefined, 'day +1 -2 -3'],
  ['two senders', [entry(1), entry(2, { senderId: 2n }), entry(3)], [], undefined, 'day +1 +2 +3'],
  ['a pause', [entry(1), entry(2, { timeMs: noon + 20 * minute })], [], undefined, 'day +1 +2'],
  ['a new day', [entry(1), entry(2, { timeMs: noon + day })], [], undefined, 'day +1 day +2'],
  ['a window further on', [entry(7), entry(8), entry(9, { timeMs: noon + day })], [], undefined, '+7 -8 day +9'],
  ['the unread line', [entry(1), other(2), other(3)], [], 1, 'day +1 unread +2 -3'],
  ['unread from oneself', [entry(1), entry(2), other(3), other(4)], [], 1, 'day +1 -2 unread +3 -4'],
  ['only from oneself', [entry(1), entry(2)], [], 1, 'day +1 -2'],
  ['all unread', [other(4), other(5)], [], 3, 'unread +4 -5'],
  ['a window far behind the line', [other(7), other(8)], [], 3, '+7 -8'],
  ['all read', [entry(7), entry(8)], [], 8, '+7 -8'],
  ['an answer', [entry(1), entry(2, { replyTo: 1 }), entry(3)], [], undefined, 'day +1 +2 -3'],
  ['a note between', [entry(1), entry(2, { kind: 'joined', senderId: 0n }), entry(3)], [], undefined, 'day +1 +2 +3'],
  ['on the way', [entry(1)], [out('a'), out('b'), out('c', { replyTo: 1 })], undefined, 'day +1 -a -b +c'],
  ['on the way and there', [entry(1), entry(2)], [out('id2'), out('b')], undefined, 'day +1 -2 -b'],
  [
    'for a subgroup',
    [entry(1), entry(2, { subgroupId: 4n }), entry(3, { subgroupId: 4n }), entry(4)],
    [],
    undefined,
    'day +1 +2 -3 +4',
  ],
  [
    'on the way to a subgroup',
    [entry(1)],
    [out('a', { subgroupId: 4n }), out('b', { subgroupId: 4n }), out('c')],
    undefined,
    'day +1 +a -b +c',
  ],
  ['nothing there', [], [out('a')], undefined, '+a'],
];

test.each(cases)('%s', (_, entries, outgoing, unreadAfter, want) => {
  const rows = rowsOf(entries, outgoing, 1n, unreadAfter, (entries[0]?.seq ?? 1) === 1);
  expect(shape(rows)).toBe(want);
  expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
});

test('a message keeps its key when it has arrived, and is found by its seq', () => {
  const before = rowsOf([entry(1)], [out('id2')], 1n, undefined, true);
  const after = rowsOf([entry(1), entry(2)], [], 1n, undefined, true);
  expect(after.map((row) => row.key)).toEqual(before.map((row) => row.key));
  expect([indexOf(after, 2, false), indexOf(after, 9, false), indexOf(after, 1, true)]).toEqual([2, -1, -1]);
});

test('a message for a subgroup is guessed higher where it says so', () => {
  const rows = rowsOf([entry(1), entry(2, { subgroupId: 4n }), entry(3, { subgroupId: 4n })], [], 1n, undefined, false);
  expect(rows.map(heightOf)).toEqual([52, 74, 26]);
});
