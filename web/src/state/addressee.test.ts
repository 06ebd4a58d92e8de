import { expect, test } from 'vitest';

import { Addressee } from './addressee.ts';
import { Drafts } from './drafts.ts';
import { tabs } from './fake.ts';

test('for whom a message is outlives a reload, by group and account, and ends with the message', () => {
  const [kept] = tabs();
  const anna = new Drafts(kept, 1n);
  const first = new Addressee(anna, 7n);
  expect(first.value.get()).toBe(0n);
  first.choose(12n);
  expect(new Addressee(anna, 7n).value.get()).toBe(12n);
  expect(new Addressee(anna, 8n).value.get()).toBe(0n);
  expect(new Addressee(new Drafts(kept, 2n), 7n).value.get()).toBe(0n);
  expect(first.take()).toBe(12n);
  expect(first.value.get()).toBe(0n);
  expect(new Addressee(anna, 7n).value.get()).toBe(0n);
});

test('what storage holds of another version is for everybody', () => {
  const drafts = new Drafts(tabs()[0], 1n);
  drafts.write('g7.to', 'all');
  expect(new Addressee(drafts, 7n).value.get()).toBe(0n);
});
