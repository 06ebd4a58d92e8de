import { resolve } from 'node:path';
import { devices, type Page } from '@playwright/test';
import { composer, navigation, said, write } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import { Live } from '../harness/live.ts';
import { texts, type Language } from '../harness/texts.ts';

const folder = resolve(import.meta.dirname, '../../../docs/screenshots');

const words = {
  en: {
    channel: 'Observatory',
    inside: ['Darkroom', 'Workshop'],
    group: 'Star party',
    other: 'Eclipse trip',
    people: ['Anna Lind', 'Ben Okoro', 'Carla Ruiz', 'Dora Weiss', 'Emil Sand'],
    talk: [
      'The sky clears in ten minutes.',
      'Who has the long lens?',
      'I do. Coming up.',
      'Jupiter is over the ridge.',
    ],
    kept: [
      'We meet on Friday at nine, on the north terrace.',
      'I bring the big mount and two chairs.',
      'Is there power for the cameras?',
      'Yes, two sockets by the door. Bring a long cable.',
      'Then I can make the time lapse after all.',
    ],
    ask: 'Shall we see the eclipse together? The bus leaves at six.',
  },
  zh: {
    channel: '观星台',
    inside: ['暗房', '工坊'],
    group: '星空聚会',
    other: '日食之旅',
    people: ['林安', '陈博', '卡拉', '王朵', '孙一'],
    talk: ['再过十分钟云就散了。', '谁有长焦镜头？', '我有，马上上来。', '木星已经升到山脊上面了。'],
    kept: [
      '周五晚上九点，北露台见。',
      '我带大赤道仪和两把椅子。',
      '那边有电源吗？',
      '有，门边两个插座，记得带长线。',
      '那我可以拍延时了。',
    ],
    ask: '一起去看日食吗？大巴六点出发。',
  },
};

for (const language of ['en', 'zh'] as Language[]) {
  test(`the main pages, in ${language}`, async ({ own, open }) => {
    const t = texts(language);
    const w = words[language];
    const server = await own();
    const owner = await server.owner();
    const people = [];
    for (const nickname of w.people) people.push(await server.person('p', { nickname }));
    const channel = await owner.channel(w.channel);
    for (const name of w.inside) await owner.channel(name, { parentId: channel });
    const levels = ['ADMIN', 'MODERATOR', 'MEMBER', 'VIP', 'GUEST'];
    for (const [i, person] of people.entries()) {
      await owner.call('ChannelService/SetLevel', {
        channelId: channel,
        accountId: person.id,
        level: `LEVEL_${levels[i]}`,
      });
    }
    await server.roster(
      channel,
      Array.from({ length: 480 }, (_, i) => `star${i},Star ${i},${['member', 'member', 'vip', 'guest'][i % 4]}`),
    );
    const group = await owner.group(w.group);
    await owner.brings(people, group);
    for (const [i, text] of w.kept.entries()) await people[i]?.send(group, text);
    const other = await owner.group(w.other);
    const live = [];
    for (const person of people) {
      const one = await Live.connect(person);
      await one.ask({ enter: { channelId: channel } });
      live.push(one);
    }
    const size = { width: 1280, height: 800 };
    const shoot = async (page: Page, name: string) => {
      await expect(page.getByText(t.ui.loading)).toHaveCount(0);
      await page.evaluate(() => document.fonts.ready);
      await page.screenshot({ path: `${folder}/${name}-${language}.png`, animations: 'disabled', caret: 'hide' });
    };

    const light = await open(owner, { language, viewport: size, colorScheme: 'light', path: `/c/${channel}` });
    await expect(composer(light, t, w.channel, 'channel')).toBeEditable();
    for (const [i, text] of w.talk.entries()) {
      await live[i]?.ask({ say: { channelId: channel, clientMessageId: `${i}`, text } });
    }
    await expect(said(light, t)).toContainText(w.talk.at(-1) ?? '');
    await shoot(light, 'channel-light');
    await light.goto(`/g/${other}/enrol`);
    await light.getByRole('combobox', { name: t.enrolment.channel, exact: true }).selectOption(channel);
    await light.getByLabel(t.enrolment.text).fill(w.ask);
    await expect(light.getByRole('button', { name: t.enrolment.start })).toBeEnabled();
    await shoot(light, 'enrolment-light');

    const dark = await open(owner, { language, viewport: size, colorScheme: 'dark', path: `/g/${group}` });
    await write(composer(dark, t, w.group), language === 'zh' ? '太好了，周五见！' : 'Perfect. See you all on Friday!');
    await expect(dark.getByRole('log')).toContainText(w.kept.at(-1) ?? '');
    await shoot(dark, 'group-dark');

    await light.getByRole('button', { name: t.enrolment.start }).click();
    await expect(light.getByRole('region', { name: t.enrolment.report })).toContainText(t.enrolment.states.done);
    await shoot(light, 'report-light');
    const { defaultBrowserType: _, ...pixel } = devices['Pixel 7'];
    const phone = { ...pixel, deviceScaleFactor: 1 };
    const guest = people[4] ?? owner;
    const hand = await open(guest, { language, ...phone, colorScheme: 'dark', path: '/invitations' });
    await expect(hand.getByRole('heading', { level: 1 })).toBeVisible();
    await shoot(hand, 'phone-invitation-dark');
    await hand.goto('/');
    await expect(navigation(hand, t).getByRole('link', { name: new RegExp(w.inside[1] ?? '') })).toBeVisible();
    await shoot(hand, 'phone-list-dark');
    await hand.goto(`/g/${group}`);
    await expect(hand.getByRole('log')).toContainText(w.kept.at(-1) ?? '');
    await shoot(hand, 'phone-group-dark');
    for (const one of live) one.close();
  });
}
