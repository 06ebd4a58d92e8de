import type { Page } from '@playwright/test';
import { violations } from '../harness/axe.ts';
import { expect, test } from '../harness/fixtures.ts';
import { closed, go, nobodysPages, opened, ownersOverlays, ownersPages, settled } from '../harness/tour.ts';
import { world } from '../harness/world.ts';

/** both looks at a part of a page in both themes: at everything in the light one, at colours in the dark one. */
async function both(page: Page, name: string, part: string, found: string[]): Promise<void> {
  for (const one of await violations(page, part)) found.push(`${name}: ${one}`);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  for (const one of await violations(page, part, true)) found.push(`${name}, dark: ${one}`);
  await page.emulateMedia({ colorScheme: 'light' });
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
}

test('no page keeps anybody out, in either theme', async ({ own, open, t }) => {
  test.setTimeout(300_000); // every page there is, and tests of the server run beside
  const server = await own();
  const owner = await server.owner();
  const others = await server.people('anna', 'ben', 'carl', 'dora');
  const places = await world(owner, others, 'en');
  const found: string[] = [];
  const nobody = await open(server, { colorScheme: 'light' });
  for (const path of nobodysPages) {
    await nobody.goto(path);
    await settled(nobody, t);
    await both(nobody, path, 'html', found);
  }
  const page = await open(owner, { colorScheme: 'light' });
  for (const path of ownersPages(places)) {
    await go(page, path, t);
    await both(page, path, 'html', found);
  }
  const invited = await open(others[3] ?? owner, { colorScheme: 'light', path: '/invitations' });
  await expect(invited.getByRole('article')).toBeVisible();
  await both(invited, '/invitations', 'html', found);
  expect(found).toEqual([]);
});

test('no dialog and no menu keeps anybody out, in either theme', async ({ own, open, t }) => {
  test.setTimeout(300_000); // likewise
  const server = await own();
  const owner = await server.owner();
  const others = await server.people('anna', 'ben', 'carl', 'dora');
  const places = await world(owner, others, 'en');
  const found: string[] = [];
  const page = await open(owner, { colorScheme: 'light' });
  let at = '/';
  for (const { path, over } of ownersOverlays(places, t)) {
    if (!over) continue;
    if (path !== at) await go(page, path, t);
    at = path;
    const lies = await opened(page, over);
    await both(page, `${path} ${over.name}`, over.role === 'menu' ? '[role=menu]:popover-open' : 'dialog', found);
    await closed(page, lies);
  }
  // The invited person's question whether they mean it, and what is told in passing.
  const invited = await open(others[3] ?? owner, { colorScheme: 'light', path: '/invitations' });
  await invited.getByRole('button', { name: t.enrolment.declineAndLeave }).click();
  await expect(invited.getByRole('dialog')).toBeVisible();
  await both(invited, 'decline and leave', 'dialog', found);
  await closed(invited, invited.getByRole('dialog'));
  await go(invited, '/settings', t);
  await invited.getByRole('button', { name: t.ui.save }).click();
  await expect(invited.getByRole('status').filter({ hasText: t.ui.saved })).toBeVisible();
  await both(invited, 'toast', '[popover=manual]', found);
  expect(found).toEqual([]);
});
