import { expect, test, vi } from 'vitest';

import { Activity } from './activity.ts';
import { tabs } from './fake.ts';
import { Scope } from './scope.ts';

test('the last activity outlives a reload, and what came meanwhile counts as new', () => {
  vi.useFakeTimers({ now: 10_000 });
  const [kept] = tabs();
  const scope = new Scope();
  const first = new Activity(kept, 1n, scope);
  expect([first.of(5n, 3, 700), first.of(6n, 1, 800)]).toEqual([700, 800]);
  first.note(5n, 4, 9_000);
  vi.advanceTimersByTime(2_500);
  first.note(6n, 2, 9_500);
  scope.end(); // writes what is not written yet
  const again = new Activity(kept, 1n, new Scope());
  expect([again.of(5n, 4, 0), again.of(6n, 2, 0)]).toEqual([9_000, 9_500]);
  expect(again.of(6n, 9, 0)).toBe(Date.now());
  expect(new Activity(kept, 2n, new Scope()).of(5n, 4, 1)).toBe(1);
  vi.useRealTimers();
});

test('what another version has written is passed over', () => {
  const [kept] = tabs();
  for (const stored of ['{', '{}', '[1,[2,3,4],["7",1,"x"],["8",1,50]]']) {
    kept.write('muster.active.1', stored);
    expect(new Activity(kept, 1n, new Scope()).of(8n, 1, 9)).toBe(stored.startsWith('[') ? 50 : 9);
  }
});
