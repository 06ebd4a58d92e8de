import { composer, navigation, said, write } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';

test('what is said is for those who are here now', async ({ server, open, t }) => {
  const [anna, ben, carl] = await server.people('anna', 'ben', 'carl');
  if (!anna || !ben || !carl) throw new Error('people');
  const channel = await anna.channel('Harbour');
  const [a, b] = [await open(anna, { path: `/c/${channel}` }), await open(ben, { path: `/c/${channel}` })];
  for (const page of [a, b]) {
    await expect(page.getByText(t.channel.live)).toBeVisible();
    await expect(page.getByText(t.channel.people(2))).toBeAttached();
  }
  await write(composer(a, t, 'Harbour', 'channel'), 'Anybody <i>here</i>?');
  await expect(said(b, t)).toContainText('Anybody <i>here</i>?');
  await expect(said(a, t)).toContainText('Anybody <i>here</i>?');
  // Who comes in later hears nothing of it, nor does who comes back.
  const c = await open(carl, { path: `/c/${channel}` });
  await expect(c.getByText(t.channel.quiet)).toBeVisible();
  await b.reload();
  await expect(b.getByText(t.channel.quiet)).toBeVisible();
  // The tree counts who is inside.
  await expect(navigation(c, t).getByRole('link', { name: /Harbour/ })).toContainText(t.shell.peopleInside(3));
  // People stand by level on the right.
  await expect(c.getByRole('region', { name: t.ui.levels.owner })).toContainText('anna');
  await c.context().close();
  await expect(a.getByText(t.channel.people(2))).toBeAttached();
});

test('slow mode and the level of speakers are told, and hold', async ({ server, open, t }) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const slow = await anna.channel('Slow', { slowModeMs: '30000' });
  const quiet = await anna.channel('Stage', { speakLevel: 'LEVEL_MODERATOR' });
  const page = await open(ben, { path: `/c/${slow}` });
  await expect(page.getByText(t.channel.slowMode(30))).toBeVisible();
  await write(composer(page, t, 'Slow', 'channel'), 'once');
  await expect(said(page, t)).toContainText('once');
  await expect(page.getByText(/You may speak again in/)).toBeVisible();
  await write(composer(page, t, 'Slow', 'channel'), 'twice');
  await expect(page.getByText(t.errors.reasons.slow_mode).first()).toBeVisible();
  await expect(composer(page, t, 'Slow', 'channel')).toHaveValue('twice'); // nothing typed is lost
  await expect(said(page, t)).not.toContainText('twice');

  await page.goto(`/c/${quiet}`);
  await expect(page.getByRole('textbox', { name: t.channel.mayNotSpeak })).not.toBeEditable();
});

test('who is removed or banned is out of the room, and told why', async ({ server, open, t }) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const channel = await anna.channel('Harbour');
  const page = await open(ben, { path: `/c/${channel}` });
  await expect(composer(page, t, 'Harbour', 'channel')).toBeEditable();
  await anna.call('ChannelService/Ban', { channelId: channel, accountId: ben.id });
  await expect(page.getByText(t.channel.out.banned)).toBeVisible();
});
