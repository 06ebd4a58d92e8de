import { readFileSync } from 'node:fs';
import { expect, test } from '../harness/fixtures.ts';

const csv = (name: string, lines: string[]) => ({
  name,
  mimeType: 'text/csv',
  buffer: Buffer.from(['account,nickname,level', ...lines].join('\n')),
});

test('an import takes the good lines and reports the bad ones, and may run again', async ({ server, open, t }) => {
  const [anna, ben, carl] = await server.people('anna', 'ben', 'carl');
  if (!anna || !ben || !carl) throw new Error('people');
  const channel = await anna.channel('Guild');
  const page = await open(anna, { path: `/c/${channel}/import` });
  const file = csv('guild.csv', [
    `${ben.name},Ben,admin`,
    `${carl.name},"Carl, the ""Great""",vip`,
    `${carl.name},Carl,king`,
    'nobody.at.all,Nobody,member',
    ',Nameless,member',
    `${carl.name},Carl,vip,surplus`,
  ]);
  const { imports } = t.channel;
  const count = (name: string) => page.locator('dl > div').filter({ hasText: name }).locator('dd');
  const report = page.getByRole('region', { name: imports.bad });
  const row = (line: number) =>
    report.getByRole('row').filter({ has: page.getByRole('cell', { name: String(line), exact: true }) });

  await page.getByLabel(imports.choose).setInputFiles(file);
  await expect(page.getByText(imports.done('guild.csv'))).toBeVisible();
  await expect(count(imports.added)).toHaveText('2');
  await expect(count(imports.unchanged)).toHaveText('0');
  await expect(count(imports.bad)).toHaveText('4');
  // Each bad line with its number, what is wrong with it, and how it begins.
  await expect(row(4)).toContainText(imports.lines.level);
  await expect(row(5)).toContainText(imports.lines.nobody);
  await expect(row(5)).toContainText('nobody.at.all');
  await expect(row(6)).toContainText(imports.lines.account);
  await expect(row(7)).toContainText(imports.lines.fields);
  const coming = page.waitForEvent('download');
  await report.getByRole('button', { name: imports.download }).click();
  const saved = await coming;
  expect(saved.suggestedFilename()).toBe('guild-bad-lines.csv');
  expect(
    readFileSync(await saved.path(), 'utf8')
      .trimEnd()
      .split('\r\n'),
  ).toHaveLength(5);
  const { entries } = await anna.call('ChannelService/ListRoster', { channelId: channel, pageSize: 10 });
  expect(entries.map((one: { level: string }) => one.level)).toEqual(['LEVEL_OWNER', 'LEVEL_ADMIN', 'LEVEL_VIP']);

  // Again: nothing changes, and the same lines are bad.
  await page.getByRole('button', { name: imports.another }).click();
  await page.getByLabel(imports.choose).setInputFiles(file);
  await expect(page.getByText(imports.done('guild.csv'))).toBeVisible();
  await expect(count(imports.added)).toHaveText('0');
  await expect(count(imports.unchanged)).toHaveText('2');
  await expect(count(imports.bad)).toHaveText('4');

  // What is no text is refused as a whole, in words.
  await page.getByRole('button', { name: imports.another }).click();
  await page.getByLabel(imports.choose).setInputFiles({ ...file, buffer: Buffer.from('PK\u0003\u0004 a spreadsheet') });
  await expect(page.getByText(imports.files.archive)).toBeVisible();
});

test('an import shows how far it is, waits for a server that is gone, and goes on by itself', async ({
  own,
  open,
  t,
  watch,
}) => {
  const server = await own();
  const owner = await server.owner();
  const channel = await owner.channel('Arena');
  const page = await open(owner, { path: `/c/${channel}/import` });
  watch.allow(/WebSocket|net::ERR/);
  const { imports } = t.channel;
  const people = 30_000;
  // The third call is held until the server is gone, so that it goes in the middle, however quick it is.
  let calls = 0;
  await page.route('**/*/ImportRoster', async (route) => {
    if (++calls === 3) await server.kill();
    await route.continue().catch(() => undefined); // the page may have gone on
  });
  await page.getByRole('checkbox', { name: imports.create }).check();
  const fans = Array.from({ length: people }, (_, i) => `fan${i},Fan ${i},member`);
  await page.getByLabel(imports.choose).setInputFiles(csv('arena.csv', fans));
  await expect(page.getByText(imports.waiting)).toBeVisible();
  const progress = page.getByRole('progressbar', { name: imports.progress('arena.csv') });
  await expect(progress).toBeVisible();
  await expect(page.locator('dl > div').filter({ hasText: imports.added }).locator('dd')).toHaveText('10,000');
  await server.start();
  await expect(page.getByText(imports.done('arena.csv'))).toBeVisible();
  // However often lines were sent, everybody is there once.
  const { channel: now } = await owner.call('ChannelService/GetChannel', { channelId: channel });
  expect(Number(now.rosterCount)).toBe(people + 1);
});
