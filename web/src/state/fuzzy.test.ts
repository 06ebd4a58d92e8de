import { expect, test } from 'vitest';

import { fuzzy } from './fuzzy.ts';

/** order is what of the texts fits, the best first. */
function order(wanted: string, texts: string[]): string[] {
  return texts
    .map((text) => ({ text, rank: fuzzy(wanted, text) }))
    .filter((one) => one.rank !== undefined)
    .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
    .map((one) => one.text);
}

test.each([
  ['ra', ['Raid', 'Night raid', 'Library', 'Bring in'], ['Raid', 'Night raid', 'Library']],
  ['uber', ['Über uns', 'Tuber'], ['Über uns', 'Tuber']],
  ['nch', ['New channel', 'Lunch', 'Nothing'], ['Lunch', 'New channel']],
  ['new ch', ['New channel', 'New group'], ['New channel']],
  ['观星', ['观星台', '星空聚会', '去观星'], ['观星台', '去观星']],
  ['xyz', ['Raid'], []],
  ['', ['b', 'a'], ['b', 'a']],
])('%s', (wanted, texts, expected) => expect(order(wanted, texts)).toEqual(expected));
