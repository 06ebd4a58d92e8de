import { composer, history, navigation, write } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import type { Locator } from '@playwright/test';

/** lines are what stands in the lines of a history, as far as it is rendered. */
async function lines(log: Locator): Promise<string[]> {
  return log.locator('article p[dir=auto]').allTextContents();
}

test('two people write to each other; unread counts and the unread line say what is new', async ({
  server,
  open,
  t,
}) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const group = await anna.group('Night shift');
  await anna.brings([ben], group);
  const [a, b] = [await open(anna, { path: `/g/${group}` }), await open(ben)];
  await expect(history(a, t)).toContainText(t.group.joined(1));
  await write(composer(a, t, 'Night shift'), 'Are you <b>there</b>?');
  await expect(history(a, t)).toContainText('Are you <b>there</b>?');
  await expect(history(a, t).getByText(t.group.sending)).toHaveCount(0);

  // Ben is elsewhere: the badge counts.
  const link = navigation(b, t).getByRole('link', { name: /Night shift/ });
  await expect(link).toContainText(t.shell.unread(2));
  await link.click();
  await expect(history(b, t)).toContainText('Are you <b>there</b>?');
  await expect(history(b, t).getByText(t.group.unread, { exact: true })).toBeVisible();
  await expect(link).not.toContainText(t.shell.unread(2));
  await write(composer(b, t, 'Night shift'), '好的，我在。\nTwo lines.');
  await expect(history(a, t)).toContainText('Two lines.');
  expect((await lines(history(a, t))).at(-1)).toBe('好的，我在。\nTwo lines.');
});

test('what was sent while the server was gone arrives once, in order, in every tab', async ({
  own,
  open,
  t,
  watch,
}) => {
  const server = await own();
  const anna = await server.person('anna');
  const group = await anna.group('Storm');
  const first = await open(anna, { path: `/g/${group}` });
  const second = await first.context().newPage();
  await second.goto(`/g/${group}`);
  for (const page of [first, second]) await expect(composer(page, t, 'Storm')).toBeVisible();
  watch.allow(/WebSocket|net::ERR/);

  await write(composer(first, t, 'Storm'), 'before');
  await expect(history(second, t)).toContainText('before');
  const sent: string[] = ['before'];
  // Messages are under way when the process is killed; more follow while it is gone, from both tabs, one of which reloads.
  for (let i = 0; i < 5; i++) {
    sent.push(`under way ${i}`);
    await write(composer(first, t, 'Storm'), `under way ${i}`);
  }
  await server.kill();
  for (let i = 0; i < 3; i++) {
    sent.push(`gone ${i}`);
    await write(composer(first, t, 'Storm'), `gone ${i}`);
    sent.push(`gone, other tab ${i}`);
    await write(composer(second, t, 'Storm'), `gone, other tab ${i}`);
  }
  await expect(history(first, t).getByText(t.group.waiting).first()).toBeVisible();
  await expect(first.getByRole('status').filter({ hasText: t.shell.retryNow })).toBeVisible();
  await server.start();
  for (const page of [first, second]) {
    await expect(history(page, t).getByText('gone, other tab 2')).toBeVisible();
    await expect(history(page, t).getByText(t.group.waiting)).toHaveCount(0);
    await expect(history(page, t).getByText(t.group.sending)).toHaveCount(0);
  }
  const { messages } = await anna.call('GroupService/ListMessages', { groupId: group, after: '0', limit: 200 });
  const stored: string[] = messages
    .filter((m: { kind: string }) => m.kind === 'MESSAGE_KIND_TEXT')
    .map((m: { text: string }) => m.text);
  expect([...stored].sort()).toEqual([...sent].sort());
  // What one tab sent stands in the order in which it was written.
  const of = (word: string) => stored.filter((text) => text.startsWith(word));
  expect(of('under way')).toEqual(sent.filter((text) => text.startsWith('under way')));
  expect(of('gone, other')).toEqual(sent.filter((text) => text.startsWith('gone, other')));
  for (const page of [first, second]) await expect.poll(() => lines(history(page, t))).toEqual(stored);
});

test('what waits outlives a reload, and what is half written too', async ({ own, open, t, watch }) => {
  const server = await own();
  const anna = await server.person('anna');
  const group = await anna.group('Storm');
  const channel = await anna.channel('Harbour');
  const page = await open(anna, { path: `/g/${group}` });
  await expect(page.getByText(t.group.empty)).toBeVisible();
  watch.allow(/WebSocket|net::ERR/);
  await page.context().setOffline(true);
  await write(composer(page, t, 'Storm'), 'written offline');
  await composer(page, t, 'Storm').fill('half a sen');
  await expect(history(page, t).getByText(t.group.waiting)).toBeVisible();
  await page.context().setOffline(false);
  await page.reload();
  await expect(composer(page, t, 'Storm')).toHaveValue('half a sen');
  await expect(history(page, t)).toContainText('written offline');
  await expect(history(page, t).getByText(t.group.waiting)).toHaveCount(0);
  await expect(history(page, t).getByText(t.group.sending)).toHaveCount(0);
  const { head } = await anna.call('GroupService/ListMessages', { groupId: group, limit: 1 });
  expect(head).toBe('1');
  // Drafts belong to their place.
  await page.goto(`/c/${channel}`);
  await expect(composer(page, t, 'Harbour', 'channel')).toHaveValue('');
  await page.goto(`/g/${group}`);
  await expect(composer(page, t, 'Storm')).toHaveValue('half a sen');
});

test('what is written before anything could be read is on the page', async ({ own, open, t, watch }) => {
  const server = await own();
  const anna = await server.person('anna');
  const group = await anna.group('Storm');
  await anna.send(group, 'from before');
  // The code of groups is there, this group is not.
  const page = await open(anna, { path: `/g/${await anna.group('Calm')}` });
  await expect(composer(page, t, 'Calm')).toBeVisible();
  watch.allow(/WebSocket|net::ERR/);
  await server.kill();
  await navigation(page, t).getByRole('link', { name: /Storm/ }).click();
  await write(composer(page, t, 'Storm'), 'first of all');
  await expect(history(page, t)).toContainText('first of all');
  await expect(history(page, t).getByText(t.group.waiting)).toBeVisible();
  await server.start();
  await expect(history(page, t)).toContainText('from before');
  await expect(history(page, t).getByText(t.group.waiting)).toHaveCount(0);
  await expect.poll(() => lines(history(page, t))).toEqual(['from before', 'first of all']);
});
