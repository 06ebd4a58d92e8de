import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { devices, type Locator, type Page, type Route } from '@playwright/test';
import type { AxeResults } from 'axe-core';
import { composer, history, navigation, write } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import { Live } from '../harness/live.ts';
import type { Person } from '../harness/server.ts';
import { texts, type Language } from '../harness/texts.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** serious are the violations on a page that keep people out. */
async function serious(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found: AxeResults = await page.evaluate('axe.run(document, { resultTypes: ["violations"] })');
  return found.violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .flatMap((one) =>
      one.nodes.map((node) => `${one.id}: ${one.help}: ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`),
    );
}

/** world is a server's people and places in the middle of their life. */
async function world(owner: Person, others: Person[], language: Language) {
  const zh = language === 'zh';
  const channel = await owner.channel(zh ? '观星台' : 'Observatory', {
    about: zh ? '晴夜开放' : 'Open on clear nights',
  });
  await owner.channel(zh ? '暗房' : 'Darkroom', { parentId: channel });
  const group = await owner.group(zh ? '星空聚会' : 'Star party');
  await owner.call('GroupService/CreateSubgroup', { groupId: group, name: zh ? '工作人员' : 'Crew' });
  await owner.brings(others, group);
  for (const person of others)
    await person.send(group, zh ? `大家好，我是 ${person.nickname}。` : `Hello, I am ${person.nickname}.`);
  for (const [i, person] of others.entries()) {
    const level = ['LEVEL_ADMIN', 'LEVEL_MODERATOR', 'LEVEL_VIP', 'LEVEL_GUEST'][i % 4];
    await owner.call('ChannelService/SetLevel', { channelId: channel, accountId: person.id, level });
  }
  const second = await owner.group(zh ? '日食' : 'Eclipse trip');
  const policies = ['OWNER', 'ADMIN', 'MODERATOR', 'MEMBER', 'VIP', 'GUEST'].map((level) => ({
    level: `LEVEL_${level}`,
    policy: level === 'ADMIN' ? 'ENROL_POLICY_DIRECT' : 'ENROL_POLICY_ASK',
  }));
  const { enrolment } = await owner.call('EnrolmentService/StartEnrolment', {
    groupId: second,
    channelId: channel,
    policies,
    text: zh ? '一起去看日食？' : 'Shall we see it together?',
    idempotencyKey: crypto.randomUUID(),
  });
  await owner.settled(enrolment.id);
  return { channel, group, second, job: enrolment.id as string };
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`no page keeps anybody out, in ${colorScheme}`, async ({ own, open, t }) => {
    test.setTimeout(300_000); // every page there is, and tests of the server run beside
    const server = await own();
    const owner = await server.owner();
    const others = await server.people('anna', 'ben', 'carl', 'dora');
    const { channel, group, second, job } = await world(owner, others, 'en');
    const found: string[] = [];
    const look = async (page: Page, path: string) => {
      await page.goto(path);
      await expect(page.getByRole('heading', { level: 1 }).first()).toBeVisible();
      await expect(page.getByText(t.ui.loading)).toHaveCount(0);
      for (const one of await serious(page)) found.push(`${path}: ${one}`);
    };
    // What lies over the page, from its coming to its going by Escape.
    const inside = async (name: string, over: Locator) => {
      await expect(over).toBeVisible();
      for (const one of await serious(over.page())) found.push(`${name}: ${one}`);
      await over.page().keyboard.press('Escape');
      await expect(over).toBeHidden();
    };
    const nobody = await open(server, { colorScheme });
    for (const path of ['/', '/signup', '/setup#mss_x']) await look(nobody, path);
    const page = await open(owner, { colorScheme });
    for (const path of [
      '/',
      `/c/${channel}`,
      `/c/${channel}/roster`,
      `/c/${channel}/import`,
      `/c/${channel}/settings`,
      `/c/${channel}/bans`,
      `/g/${group}`,
      `/g/${group}/members`,
      `/g/${group}/settings`,
      `/g/${group}/enrol`,
      `/g/${second}/enrol/${job}`,
      '/settings',
      '/settings/appearance',
      '/settings/password',
      '/settings/sessions',
      '/admin',
      '/admin/accounts',
      '/admin/audit',
      '/nowhere',
    ]) {
      await look(page, path);
    }
    // What opens: the jump list, a menu, a dialog.
    await page.goto(`/g/${group}`);
    await expect(history(page, t)).toContainText('I am dora');
    await page.keyboard.press('Control+k');
    await inside('jump', page.getByRole('dialog'));
    await page.getByRole('button', { name: t.shell.newGroup }).click();
    await inside('new group', page.getByRole('dialog', { name: t.shell.newGroup }));
    await page.getByRole('button', { name: t.shell.account }).click();
    await inside('menu', page.getByRole('menu'));
    const invited = await open(others[3] ?? owner, { colorScheme });
    await look(invited, '/invitations');
    expect(found).toEqual([]);
  });
}

for (const language of ['en', 'zh'] as Language[]) {
  test(`on a phone, in ${language}`, async ({ own, open }) => {
    const t = texts(language);
    const server = await own();
    const owner = await server.owner();
    const others = await server.people('anna', 'ben');
    const { group } = await world(owner, others, language);
    const { defaultBrowserType: _, ...phone } = devices['Pixel 7'];
    const page = await open(owner, { ...phone, language });
    // One column at a time, and nothing is wider than the screen.
    const fits = async () => {
      const { inner, all } = await page.evaluate(() => ({
        inner: innerWidth,
        all: document.documentElement.scrollWidth,
      }));
      expect(all).toBeLessThanOrEqual(inner);
    };
    await expect(navigation(page, t)).toBeVisible();
    await fits();
    const name = language === 'zh' ? '星空聚会' : 'Star party';
    await navigation(page, t)
      .getByRole('link', { name: new RegExp(name) })
      .tap();
    await expect(navigation(page, t)).toBeHidden();
    await write(composer(page, t, name), '📱 👋');
    await expect(history(page, t)).toContainText('📱 👋');
    await fits();
    await page.getByRole('button', { name: t.shell.showPeople }).tap();
    await expect(page.getByRole('complementary')).toContainText('anna');
    await fits();
    await page.goto(`/g/${group}/enrol`);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await fits();
    await page.goto('/settings');
    await fits();
    await page.getByRole('button', { name: t.shell.back }).tap();
    await expect(navigation(page, t)).toBeVisible();
  });
}

test('Escape closes a dialog even before it is there, and a browser that closes it by itself', async ({
  server,
  open,
  t,
}) => {
  const anna = await server.person('anna');
  const page = await open(anna, { path: '/nowhere' });
  const dialog = page.getByRole('dialog');
  // The code of the dialog comes when it is not wanted any more.
  const held: Route[] = [];
  await page.route('**/assets/Keys-*.js', (route) => void held.push(route));
  await expect(navigation(page, t)).toBeVisible();
  await page.keyboard.press('?');
  await expect.poll(() => held.length).toBe(1);
  await page.keyboard.press('Escape');
  const code = held[0]?.request().url() ?? '';
  await held[0]?.continue();
  await page.evaluate(async (code) => {
    await import(code);
    for (let frame = 0; frame < 3; frame++) await new Promise((drawn) => requestAnimationFrame(drawn));
  }, code);
  await expect(dialog).toHaveCount(0);
  await page.keyboard.press('?');
  await expect(dialog).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  // The browser closes for good what is asked to close twice; the dialog opens again all the same.
  for (let again = 0; again < 2; again++) {
    await page.keyboard.press('Control+k');
    await expect(dialog).toBeVisible();
    await dialog.evaluate((element: HTMLDialogElement) => element.close());
    await expect(dialog).toHaveCount(0);
  }
});

test('by keyboard alone: into a group, write, and back', async ({ server, open, t }) => {
  const anna = await server.person('anna');
  await anna.group('Keys');
  const page = await open(anna);
  await expect(navigation(page, t)).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: t.shell.skip })).toBeFocused();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: t.shell.jumpHint })).toBeFocused();
  await page.keyboard.type('keys');
  await expect(page.getByRole('option', { name: /Keys/ })).toHaveAttribute('aria-selected', 'true');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Keys', level: 1 })).toBeVisible();
  const field = composer(page, t, 'Keys');
  for (let i = 0; i < 40 && !(await field.evaluate((element) => element === document.activeElement)); i++) {
    await page.keyboard.press('Tab');
  }
  await expect(field).toBeFocused();
  await page.keyboard.type('no hand left the keys');
  await page.keyboard.press('Enter');
  await expect(history(page, t)).toContainText('no hand left the keys');
  await expect(field).toBeFocused();
  // The account's menu by arrows.
  const account = page.getByRole('button', { name: t.shell.account });
  for (let i = 0; i < 40 && !(await account.evaluate((element) => element === document.activeElement)); i++) {
    await page.keyboard.press('Shift+Tab');
  }
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: t.shell.settings })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: t.shell.settings, level: 1 })).toBeVisible();
});

test('a room at a high pace keeps the page small', async ({ server, open, t }) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const channelId = await anna.channel('Stadium');
  const page = await open(ben, { path: `/c/${channelId}` });
  await expect(composer(page, t, 'Stadium', 'channel')).toBeEditable();
  const live = await Live.connect(anna);
  await live.ask({ enter: { channelId } });
  for (let i = 0; i < 3000; i += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, k) =>
        live.ask({ say: { channelId, clientMessageId: `m${i + k}`, text: `shout ${i + k}` } }),
      ),
    );
  }
  await expect(page.getByText('shout 2999', { exact: true })).toBeInViewport();
  expect(await page.locator('*').count()).toBeLessThan(1500);
  live.close();
});
