import { composer, history, navigation, write } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import { texts, type Language } from '../harness/texts.ts';

for (const language of ['en', 'zh'] as Language[]) {
  const t = texts(language);

  test(`a roster is brought into a group as four people live it, in ${language}`, async ({ own, open }) => {
    const server = await own();
    const owner = await server.owner();
    const [dora, accepts, declines] = await server.people('dora', 'acco', 'dean');
    if (!dora || !accepts || !declines) throw new Error('people');
    const channel = await owner.channel('Stargazers');
    await server.roster(channel, [
      `${dora.name},Dora,member`,
      `${accepts.name},Acco,vip`,
      `${declines.name},Dean,guest`,
      ...Array.from({ length: 40 }, (_, i) => `star${i},Star ${i},${i % 2 ? 'member' : 'guest'}`),
    ]);
    const group = await owner.group('Star party');
    const page = await open(owner, { language, path: `/g/${group}/enrol` });
    const [a, d] = [await open(accepts, { language }), await open(declines, { language })];

    // The owner chooses the channel and what happens to each level, sees what that would do, and starts it.
    await page.getByRole('combobox', { name: t.enrolment.channel, exact: true }).selectOption(channel);
    const choose = async (level: keyof typeof t.ui.levels, policy: keyof typeof t.enrolment.policies) =>
      page
        .getByRole('group', { name: t.enrolment.policyOf(t.ui.levels[level]), exact: true })
        .getByText(t.enrolment.policies[policy], { exact: true })
        .click();
    for (const level of ['owner', 'admin', 'moderator', 'member'] as const) await choose(level, 'direct');
    for (const level of ['vip', 'guest'] as const) await choose(level, 'ask');
    await page.getByLabel(t.enrolment.text).fill('We meet on <b>Friday</b>.');
    const summary = page.getByRole('region', { name: t.enrolment.summary });
    await expect(summary).toContainText(t.enrolment.will(21, 22, 'Star party'));
    // Nothing of it is lost on a reload.
    await page.reload();
    await expect(page.getByLabel(t.enrolment.text)).toHaveValue('We meet on <b>Friday</b>.');
    await expect(summary).toContainText(t.enrolment.will(21, 22, 'Star party'));
    await page.getByRole('button', { name: t.enrolment.start }).click();
    const report = page.getByRole('region', { name: t.enrolment.report });
    await expect(report).toContainText(t.enrolment.states.done);
    await expect(report).toContainText(t.enrolment.answers(0, 0, 22));
    await page.goto(`/g/${group}`);
    await write(composer(page, t, 'Star party'), 'Welcome, everybody.');
    await expect(history(page, t)).toContainText('Welcome, everybody.');

    // One was added directly while offline, and finds the message on return.
    const o = await open(dora, { language });
    const link = navigation(o, t).getByRole('link', { name: /Star party/ });
    await expect(link).toBeVisible();
    await link.click();
    await expect(history(o, t)).toContainText('Welcome, everybody.');

    // One is asked, and joins: the question says who asks, from where, and what joining means.
    const inbox = navigation(a, t).getByRole('link', { name: new RegExp(t.shell.invitations) });
    await expect(inbox).toContainText(t.shell.openInvitations(1));
    await inbox.click();
    const card = a.getByRole('article', { name: t.enrolment.join('Star party') });
    await expect(card).toContainText(t.enrolment.askedFrom('Olga', 'Stargazers'));
    await expect(card).toContainText('We meet on <b>Friday</b>.');
    await card.getByRole('button', { name: t.enrolment.accept, exact: true }).click();
    await expect(history(a, t)).toContainText('Welcome, everybody.');
    await write(composer(a, t, 'Star party'), 'Glad to be here.');
    await expect(history(o, t)).toContainText('Glad to be here.');

    // One declines and leaves the channel in the same act.
    await navigation(d, t)
      .getByRole('link', { name: new RegExp(t.shell.invitations) })
      .click();
    const no = d.getByRole('article', { name: t.enrolment.join('Star party') });
    await no.getByRole('button', { name: t.enrolment.declineAndLeave }).click();
    await d.getByRole('dialog').getByRole('button', { name: t.enrolment.declineAndLeave }).click();
    await expect(d.getByText(t.enrolment.none)).toBeVisible();
    const { entries } = await owner.call('ChannelService/ListRoster', { channelId: channel, namePrefix: 'dean' });
    expect(entries ?? []).toEqual([]);
    await expect(navigation(d, t).getByRole('link', { name: /Star party/ })).toHaveCount(0);

    // The report tells it.
    await page.goto(`/g/${group}/enrol`);
    await page
      .getByRole('main')
      .getByRole('link', { name: /Stargazers/ })
      .click();
    await expect(report).toContainText(t.enrolment.answers(1, 1, 20));
  });
}

test('who is removed from a group while looking at it is led out', async ({ server, open, t }) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const group = await anna.group('Inner circle');
  await anna.brings([ben], group);
  const page = await open(ben, { path: `/g/${group}` });
  await expect(composer(page, t, 'Inner circle')).toBeEditable();
  await anna.call('GroupService/RemoveMember', { groupId: group, accountId: ben.id });
  await expect(page.getByText(t.shell.removedFromGroup('Inner circle'))).toBeVisible();
  await expect(navigation(page, t).getByRole('link', { name: /Inner circle/ })).toHaveCount(0);
});
