import { expect, test } from 'vitest';

import { offsetNow } from './offset.ts';

test.each([
  ['nothing moved', 1000, 1000, 0, 1000],
  ['the browser rounded what it was told', 1000.4, 1000, 0, 1000.4],
  ['and to a pixel of a finer screen', 1000.4, 1000.5, 0, 1000.4],
  ['somebody scrolled down, and the event is on its way', 1000, 1400, 0, 1400],
  ['or up', 1000, 600, 0, 600],
  ['a correction is held back: the element is behind by as much', 1000, 1060, -60, 1000],
  ['and somebody scrolled meanwhile', 1000, 1460, -60, 1400],
  ['pulled beyond the top', 20, -35, 0, 0],
])('%s', (_, known, scrollTop, held, now) => {
  expect(offsetNow(known, scrollTop, held)).toBe(now);
});
