import type { Locator, Page } from '@playwright/test';
import { expect, test } from '../harness/fixtures.ts';
import type { Server } from '../harness/server.ts';

/** So many people are on the roster; a million where time is no matter. */
const people = process.env['MUSTER_SOAK'] ? 1_000_000 : 100_000;

/** arena is a channel with all of them: its owner, fans of whom every hundredth is a VIP, and two of another name. */
async function arena(server: Server): Promise<string> {
  const owner = await server.owner();
  const channel = await owner.channel('Arena');
  const fans = Array.from({ length: people - 3 }, (_, i) => `fan${i},Fan ${i},${i % 100 === 0 ? 'vip' : 'member'}`);
  await server.roster(channel, [...fans, 'zoe1,Zoë One,member', 'zoe2,Zoë Two,vip']);
  return channel;
}

/** asked counts the pages of the roster that a page asks for. */
function asked(page: Page): { count: number } {
  const found = { count: 0 };
  page.on('request', (request) => {
    if (request.url().endsWith('/ListRoster')) found.count += 1;
  });
  return found;
}

const elements = (list: Locator) => list.evaluate((list) => list.getElementsByTagName('*').length);

test('a long roster scrolls and is filtered without loading it', async ({ own, open, t }) => {
  test.setTimeout(600_000);
  const server = await own();
  const channel = await arena(server);
  const owner = await server.owner();
  const page = await open(owner, { path: '/nowhere' });
  const requests = asked(page);
  await page.goto(`/c/${channel}/roster`);
  const list = page.getByRole('group', { name: t.channel.rosterList });
  const rows = list.getByRole('button');
  await expect(page.getByRole('search').getByRole('status')).toHaveText(t.channel.rosterCount(people));
  await expect(rows.first()).toContainText('Olga');
  await expect(rows.nth(1)).toContainText('Fan');
  expect(await elements(list)).toBeLessThan(600);
  const begin = requests.count;
  expect(begin).toBeLessThanOrEqual(8);

  // Down by the page: what comes into view is brought, what has gone is dropped.
  for (let screen = 0; screen < 60; screen++) {
    await list.evaluate(async (list) => {
      list.scrollTop += list.clientHeight;
      await new Promise((drawn) => requestAnimationFrame(drawn));
    });
  }
  await expect(rows.last()).toContainText('Fan');
  await expect(list.locator('[aria-hidden=true][role=listitem]')).toHaveCount(0);
  expect(await list.evaluate((list) => list.scrollTop)).toBeGreaterThan(5000);
  expect(await elements(list)).toBeLessThan(600);
  expect(requests.count - begin).toBeLessThan(60);
  await list.evaluate((list) => (list.scrollTop = 0));
  await expect(rows.first()).toContainText('Olga');

  // A few by the beginning of the nickname and by level, however far down they stand.
  const before = requests.count;
  await page.getByLabel(t.channel.filterName).fill('Zoë');
  await expect(rows).toHaveCount(2);
  await expect(rows.first()).toContainText('Zoë');
  await page.getByLabel(t.channel.filterLevel).selectOption({ label: t.ui.levels.vip });
  await expect(rows).toHaveCount(1);
  await expect(rows.first()).toContainText('Zoë Two');
  await page.getByLabel(t.channel.filterName).fill('');
  await expect(rows.nth(3)).toContainText('Fan');
  await expect(rows.nth(3)).toContainText(t.ui.levels.vip);
  expect(requests.count - before).toBeLessThan(12);
  await page.getByLabel(t.channel.filterLevel).selectOption({ label: t.ui.levels.guest });
  await expect(page.getByText(t.channel.rosterNone)).toBeVisible();
});
