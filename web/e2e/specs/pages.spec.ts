import { devices, type Route } from '@playwright/test';
import { composer, history, navigation, write } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import { Live } from '../harness/live.ts';
import { texts, type Language } from '../harness/texts.ts';
import { world } from '../harness/world.ts';

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
