import { expect, test } from 'vitest';

import { refused, settle } from './fake.ts';
import { Pages, rowAt, type PageOf } from './pages.ts';

const size = 200;

/** A list of so many numbers, whose tokens are where pages begin. */
class Numbers {
  reads: string[] = [];
  rows: number[];
  fail = false;
  constructor(count: number) {
    this.rows = Array.from({ length: count }, (_, i) => i);
  }
  read = async (token: string): Promise<PageOf<number>> => {
    this.reads.push(token);
    if (this.fail) throw refused('unavailable', 'no_answer', 1);
    const from = token === '' ? 0 : Number(token);
    const next = from + size < this.rows.length ? String(from + size) : '';
    return { rows: this.rows.slice(from, from + size), next };
  };
}

function held(pages: Pages<number>): number {
  return pages.value.get().kept.reduce((sum, { rows }) => sum + rows.length, 0);
}

test('a million rows are walked with a few in memory, and every one is where it belongs', async () => {
  const numbers = new Numbers(1_000_000);
  const pages = new Pages(numbers.read);
  pages.show(0, 20);
  await settle();
  expect(numbers.reads).toHaveLength(1);
  let at = 0;
  while (!pages.value.get().done) {
    at = pages.value.get().known;
    pages.show(at, at + 20);
    await settle();
    expect(held(pages)).toBeLessThanOrEqual(6 * size);
  }
  expect(pages.value.get().known).toBe(1_000_000);
  expect(rowAt(pages.value.get(), 999_999)).toBe(999_999);
  expect(rowAt(pages.value.get(), 0)).toBeUndefined();
  pages.show(123_450, 123_470);
  await settle();
  expect(rowAt(pages.value.get(), 123_456)).toBe(123_456);
  expect(held(pages)).toBeLessThanOrEqual(6 * size);
});

test('rows that vanish or come move nothing that is behind them', async () => {
  const numbers = new Numbers(4_000);
  const pages = new Pages(numbers.read);
  for (let at = 0; at < 4_000; at += 100) {
    pages.show(at, at + 20);
    await settle();
  }
  numbers.rows = numbers.rows.flatMap((n) => (n === 5 ? [] : n === 7 ? [7, 7.5, 7.6] : [n]));
  pages.show(0, 20);
  await settle();
  expect([4, 5, 6, 7, 8].map((i) => rowAt(pages.value.get(), i))).toEqual([4, 6, 7, 7.5, 7.6]);
  expect(pages.value.get().kept.map(({ start, rows }) => start + rows.length)).toContain(200);
});

test('a failure waits to be tried again; reading again forgets what an old answer brings', async () => {
  const numbers = new Numbers(300);
  const pages = new Pages(numbers.read);
  numbers.fail = true;
  pages.show(0, 20);
  await settle();
  expect(pages.value.get()).toMatchObject({ reading: false, failure: { reason: 'no_answer' } });
  pages.show(0, 30);
  expect(numbers.reads).toHaveLength(1);
  numbers.fail = false;
  pages.retry();
  await settle();
  expect(pages.value.get()).toMatchObject({ known: 200, done: false });
  pages.show(190, 200);
  pages.again(async () => ({ rows: [42], next: '' }));
  await settle();
  expect(pages.value.get()).toMatchObject({ known: 1, done: true, kept: [{ start: 0, rows: [42] }] });
});

test('a row that changes is changed where it stands', async () => {
  const pages = new Pages(new Numbers(10).read);
  pages.show(0, 9);
  await settle();
  const before = pages.value.get();
  pages.change((n) => (n === 3 ? 33 : undefined));
  expect(rowAt(pages.value.get(), 3)).toBe(33);
  expect(rowAt(before, 3)).toBe(3);
});
