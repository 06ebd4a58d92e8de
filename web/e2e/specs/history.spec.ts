import type { Locator } from '@playwright/test';
import { history } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import { Live } from '../harness/live.ts';

const total = 100_000;

interface Travelled {
  /** The numbers of the messages that were seen, the lowest and the highest. */
  least: number;
  most: number;
  /** What must not happen: lines that moved otherwise than the reader did. */
  jumps: string[];
  /** Which message stood above which, for each that was seen below another. */
  above: [number, number][];
  /** The most elements that the list had. */
  elements: number;
}

/**
 * travel scrolls through a history as a wheel does, until a message is on the page, and looks in every frame at every
 * line: it may move as far as the reader moved it, or stay where the window ends and more is on its way, but never
 * further and never back, whatever is loaded or dropped around it. A line loses its name when the one before it turns out
 * to be by the same person; that much is allowed.
 */
function travel(log: Locator, to: number, step: number): Promise<Travelled> {
  return log.evaluate(
    async (list, { to, step }) => {
      const named = 30;
      const found = { least: Infinity, most: 0, jumps: [] as string[], elements: 0 };
      const above = new Map<number, number>();
      // oxlint-disable-next-line unicorn/consistent-function-scoping -- all of this runs in the page
      const number = (text: string) => Number(/message (\d+)/.exec(text)?.[1] ?? Number.NaN);
      const look = () => {
        const lines = [...list.querySelectorAll('article p[dir=auto]')].map((line) => ({
          n: number(line.textContent ?? ''),
          y: line.getBoundingClientRect().y,
        }));
        found.elements = Math.max(found.elements, list.getElementsByTagName('*').length);
        for (const [i, line] of lines.entries()) {
          found.least = Math.min(found.least, line.n);
          found.most = Math.max(found.most, line.n);
          const over = lines[i - 1]?.n;
          if (over === undefined) continue;
          if ((above.get(line.n) ?? over) !== over) found.jumps.push(`${over} is above ${line.n} now`);
          above.set(line.n, over);
        }
        return new Map(lines.map(({ n, y }) => [n, y]));
      };
      // Right behind a frame: what stands there now is what was drawn.
      // oxlint-disable-next-line unicorn/consistent-function-scoping -- likewise
      const drawn = () => new Promise<void>((next) => requestAnimationFrame(() => setTimeout(next)));
      let before = look();
      const compare = (moved: number, when: string) => {
        const now = look();
        let same = 0;
        for (const [n, y] of now) {
          const was = before.get(n);
          if (was === undefined) continue;
          same += 1;
          const by = (y - was) * Math.sign(-step);
          if (by > Math.abs(moved) + named || by < -named) found.jumps.push(`${when}: ${n} moved by ${y - was}`);
        }
        if (same === 0) found.jumps.push(`${when}: nothing stayed on the page`);
        before = now;
      };
      const end = performance.now() + 90_000;
      while (!(before.has(to) || found.jumps.length > 5 || performance.now() > end)) {
        list.scrollTop += step;
        await drawn();
        await drawn();
        compare(step, `${found.least} to ${found.most}, scrolled`);
        await drawn();
        compare(0, `${found.least} to ${found.most}, at rest`);
      }
      return { ...found, above: [...above] };
    },
    { to, step },
  );
}

/**
 * sway scrolls on and back in every task, not in every frame, until a message is on the page, and returns what moved
 * between two tasks, when nobody scrolled: pages come while the event of the last scroll is still on its way.
 */
function sway(log: Locator, to: number, step: number): Promise<{ jumps: string[]; arrived: boolean }> {
  return log.evaluate(
    async (list, { to, step }) => {
      const named = 30;
      const jumps: string[] = [];
      const look = () =>
        new Map(
          [...list.querySelectorAll('article p[dir=auto]')].map((line) => [
            line.textContent,
            line.getBoundingClientRect().y,
          ]),
        );
      let before = look();
      const end = performance.now() + 60_000;
      for (let i = 0; !before.has(`message ${to}`) && jumps.length <= 5 && performance.now() < end; i++) {
        const by = i % 3 === 0 ? -0.8 * step : step;
        list.scrollTop += by;
        before = look();
        await new Promise((next) => setTimeout(next));
        const found = [...look()].map(([text, y]) => ({ text, moved: y - (before.get(text) ?? Number.NaN) }));
        const same = found.filter(({ moved }) => !Number.isNaN(moved));
        if (same.length === 0) jumps.push('nothing stayed on the page');
        const worst = same.find(({ moved }) => Math.abs(moved) > named);
        if (worst) jumps.push(`after ${by}: ${worst.text} moved by ${worst.moved}`);
      }
      return { jumps, arrived: before.has(`message ${to}`) };
    },
    { to, step },
  );
}

test('a history of 100,000 messages scrolls both ways without jumps', async ({ server, open, t }) => {
  test.setTimeout(300_000);
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const group = await anna.group('Archive');
  await anna.brings([ben], group);
  const live = await Live.connect(anna);
  await live.fill(group, total);
  live.close();
  const page = await open(ben, { path: `/g/${group}` });
  const log = history(page, t);
  const message = (n: number) => log.getByText(`message ${n}`, { exact: true });

  // Who was away for all of it begins where it began, and is at the end by one click, and back by another.
  await expect(log.getByText(t.group.unread, { exact: true })).toBeInViewport();
  await expect(message(1)).toBeInViewport();
  await page.getByRole('button', { name: t.group.toEnd }).click();
  await expect(message(total)).toBeInViewport();
  await expect(page.getByRole('button', { name: t.group.toEnd })).toHaveCount(0);

  // Up over more than one window of what is kept, and down again to the end.
  const up = await travel(log, total - 1500, -400);
  expect(up.jumps).toEqual([]);
  expect(up.least).toBeLessThanOrEqual(total - 1500);
  expect(up.elements).toBeLessThan(1500);
  const down = await travel(log, total, 400);
  expect(down.jumps).toEqual([]);
  expect(down.most).toBe(total);
  expect(down.elements).toBeLessThan(1500);

  // Nothing was left out, and everything stands where the server has it.
  const stored = new Map<string, string>();
  for (let after = total - 1600; after < total; after += 200) {
    const { messages } = await ben.call('GroupService/ListMessages', {
      groupId: group,
      after: String(after),
      limit: 200,
    });
    for (const [i, one] of messages.entries()) if (i > 0) stored.set(one.text, messages[i - 1].text);
  }
  const wrong = [...up.above, ...down.above].filter(
    ([below, over]) => (stored.get(`message ${below}`) ?? `message ${over}`) !== `message ${over}`,
  );
  expect(wrong).toEqual([]);
  expect(up.above.length).toBeGreaterThan(1400);

  await page.getByRole('button', { name: t.group.toUnread }).click();
  await expect(message(1)).toBeInViewport();
  const on = await travel(log, 800, 400);
  expect(on.jumps).toEqual([]);
  expect(on.most).toBeGreaterThanOrEqual(800);
});

test('who reaches what is loaded of a history before the next page comes reads on there', async ({
  server,
  open,
  t,
}) => {
  const total = 900; // more than the client keeps, so that pages are dropped above as well
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const group = await anna.group('Far away');
  await anna.brings([ben], group);
  const live = await Live.connect(anna);
  await live.fill(group, total);
  const page = await open(ben);
  await page.routeWebSocket(/.*/, (socket) => {
    const origin = socket.connectToServer();
    origin.onMessage((message) => void setTimeout(() => socket.send(message), 150));
  });
  await page.goto(`/g/${group}`);
  const log = history(page, t);
  await expect(log.getByText('message 1', { exact: true })).toBeInViewport();

  const down = await travel(log, total, 400);
  expect(down.jumps).toEqual([]);
  expect(down.above.length).toBe(total - 1);
  expect(down.most).toBe(total);

  // The list holds on to the end of it all.
  await log.press('End');
  await expect(page.getByRole('button', { name: t.group.toEnd })).toHaveCount(0);
  await live.fill(group, total + 5);
  live.close();
  await expect(log.getByText(`message ${total + 5}`, { exact: true })).toBeInViewport();
});

test('a page that comes while a history is scrolled takes nothing of that back', async ({ server, open, t }) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const group = await anna.group('Restless');
  await anna.brings([ben], group);
  const live = await Live.connect(anna);
  await live.fill(group, 1500);
  live.close();
  const page = await open(ben, { path: `/g/${group}` });
  const log = history(page, t);
  await expect(log.getByText('message 1', { exact: true })).toBeInViewport();
  expect(await sway(log, 1200, 180)).toEqual({ jumps: [], arrived: true });
  expect(await sway(log, 300, -180)).toEqual({ jumps: [], arrived: true });
});
