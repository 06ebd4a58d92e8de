import { expect, test } from 'vitest';

import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import { Said } from './said.ts';

function speak(said: Said, text: string): void {
  said.add({ kind: 'said', senderId: 9n, nickname: 'p9', level: Level.MEMBER, text, timeMs: 1 });
}

const texts = (said: Said) =>
  said.value.get().blocks.flatMap((block) => block.lines.map((line) => (line.kind === 'said' ? line.text : line.kind)));

test('what scrolls off is gone, and what stays is not touched', () => {
  const said = new Said();
  for (let i = 1; i <= 700; i++) speak(said, String(i));
  said.flush();
  const { blocks } = said.value.get();
  expect(blocks.map((block) => block.lines.length)).toEqual([...Array(31).fill(16), 12]);
  expect(texts(said)).toEqual(Array.from({ length: 508 }, (_, i) => String(193 + i)));
  expect(blocks[0]?.before).toMatchObject({ text: '192' });
  for (let i = 701; i <= 710; i++) speak(said, String(i));
  said.flush();
  const after = said.value.get().blocks;
  expect(after.slice(0, 30)).toEqual(blocks.slice(1, 31));
  for (const [index, block] of after.slice(0, 30).entries()) expect(block).toBe(blocks[index + 1]);
  expect(after.slice(30).map((block) => block.lines.length)).toEqual([16, 6]);
  expect(after[31]?.before).toBe(after[30]?.lines.at(-1));
});

test('a line is the same as long as it is there, and keys never repeat', () => {
  const said = new Said();
  const seen = new Map<number, object>();
  let changed = 0;
  for (let i = 1; i <= 2_000; i++) {
    speak(said, String(i));
    if (i % 7 === 0) said.flush();
    for (const line of said.value.get().blocks.flatMap((block) => block.lines)) {
      if ((seen.get(line.key) ?? line) !== line) changed += 1;
      seen.set(line.key, line);
    }
  }
  expect(changed).toBe(0);
  expect([...seen.values()].map((line) => (line as { text?: string }).text)).toEqual(
    Array.from({ length: 1_995 }, (_, i) => String(i + 1)),
  );
});

test('nothing is told when nothing came', () => {
  const said = new Said();
  let told = 0;
  said.value.subscribe(() => (told += 1));
  said.flush();
  speak(said, 'one');
  expect(told).toBe(0);
  said.flush();
  said.flush();
  expect(told).toBe(1);
});

test('a page without frames does not pile up lines', () => {
  const said = new Said();
  for (let i = 1; i <= 100_000; i++) speak(said, String(i));
  said.flush();
  expect(texts(said).length).toBeGreaterThanOrEqual(497);
  expect(texts(said).length).toBeLessThanOrEqual(512);
  expect(texts(said).at(-1)).toBe('100000');
});

test('who scrolls back keeps what is read, and is told how much came', () => {
  const said = new Said();
  for (let i = 1; i <= 512; i++) speak(said, String(i));
  said.flush();
  said.hold(true);
  const { blocks } = said.value.get();
  for (let i = 513; i <= 5_012; i++) {
    speak(said, String(i));
    if (i % 10 === 0) said.flush();
  }
  said.flush();
  expect(said.value.get()).toMatchObject({ held: true, fresh: 4_500 });
  expect(said.value.get().blocks).toBe(blocks);
  said.hold(false);
  expect(said.value.get()).toMatchObject({ held: false, fresh: 0 });
  expect(texts(said).at(-1)).toBe('5012');
  expect(texts(said).length).toBeLessThanOrEqual(512);
});

test('lines that were missed one after another are said together', () => {
  const said = new Said();
  said.add({ kind: 'skipped', count: 3 });
  said.add({ kind: 'skipped', count: 4 });
  said.flush();
  said.add({ kind: 'skipped', count: 5 });
  speak(said, 'on');
  said.add({ kind: 'skipped', count: 1 });
  said.flush();
  expect(said.value.get().blocks).toMatchObject([
    { lines: [{ kind: 'skipped', count: 12 }, { text: 'on' }, { kind: 'skipped', count: 1 }] },
  ]);
});

test('a room that was left keeps nothing', () => {
  const said = new Said();
  speak(said, 'one');
  said.flush();
  said.hold(true);
  speak(said, 'two');
  said.clear();
  said.flush();
  expect(said.value.get()).toEqual({ blocks: [], held: false, fresh: 0 });
});
