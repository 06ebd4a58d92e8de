import { composer, history, said, write } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';

// What a careless page would run, load or break its layout with. Each calls pwned, which fails the test, if it can.
const vectors = [
  '<img src=x onerror=pwned(1)>',
  '<script>pwned(2)</script>',
  '"><svg onload=pwned(3)>',
  "' onfocus='pwned(4)' autofocus='",
  'javascript:pwned(5)',
  '[x](javascript:pwned(6))',
  '<a href="javascript:pwned(7)">x</a>',
  '{{constructor.constructor("pwned(8)")()}}${pwned(9)}',
  '<iframe srcdoc="<script>parent.pwned(10)</script>">',
  '<style>*{display:none}</style>',
  '</title></textarea><math><mi xlink:href="data:x,pwned(11)">',
  '\u202Egnp.exe\u202C',
];
/** Names are short, and the server takes no letters in them that turn the direction of reading. */
const names = vectors.filter((text) => text.length <= 60 && !text.includes('\u202E'));

test('no text of anybody is anything but text, wherever it stands', async ({ server, open, t }) => {
  const owner = await server.owner();
  const victim = await server.person('victim');
  for (const vector of names) {
    // What the server takes as a name is shown; what it refuses, nobody can send.
    const attacker = await server.person('mallory');
    const tried = await Promise.allSettled([
      attacker.call('AccountService/UpdateProfile', { nickname: vector, about: vector }),
      attacker.channel(vector, { about: vector }),
      attacker.group(vector, { about: vector }),
    ]);
    expect(tried.filter((one) => one.status === 'fulfilled').length, `the server takes ${vector}`).toBeGreaterThan(0);
    const channel = tried[1].status === 'fulfilled' ? tried[1].value : await attacker.channel('Trap');
    const group = tried[2].status === 'fulfilled' ? tried[2].value : await attacker.group('Trap');
    await attacker.call('GroupService/CreateSubgroup', { groupId: group, name: vector }).catch(() => undefined);
    await attacker.brings([victim], group);
    for (const text of vectors) await attacker.send(group, text);
    await attacker.call('ChannelService/SetLevel', { channelId: channel, accountId: victim.id, level: 'LEVEL_GUEST' });
    const other = await attacker.group('Second');
    await attacker.call('EnrolmentService/StartEnrolment', {
      groupId: other,
      channelId: channel,
      policies: [{ level: 'LEVEL_GUEST', policy: 'ENROL_POLICY_ASK' }],
      text: vector,
      idempotencyKey: crypto.randomUUID(),
    });
  }
  const page = await open(victim);
  const groups = (await victim.call('GroupService/ListMyGroups', { pageSize: 100 })).groups as {
    group: { id: string; name: string };
  }[];
  expect(groups).toHaveLength(names.length);
  for (const { group } of groups.slice(0, 4)) {
    await page.goto(`/g/${group.id}`);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(group.name);
    await expect(history(page, t)).toContainText(vectors[1] ?? '');
  }
  for (const path of [
    '/invitations',
    '/',
    '/settings',
    '/nowhere/<script>pwned(12)</script>',
    '/g/1/"onload="pwned(13)',
  ]) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  }
  await page.goto('/invitations');
  await expect(page.getByRole('article')).toHaveCount(names.length);
  await expect(page.locator('blockquote').first()).toContainText('pwned');
  // An administrator looks at the same people and places.
  const admin = await open(owner, { path: '/admin' });
  await expect(admin.getByRole('heading', { level: 1 })).toBeVisible();
});

test('what is said in a room, and what one writes oneself, is text', async ({ server, open, t }) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const name = '<img src=x onerror=pwned(1)>';
  const channel = await anna.channel(name);
  const [a, b] = [await open(anna, { path: `/c/${channel}` }), await open(ben, { path: `/c/${channel}` })];
  await expect(composer(b, t, name, 'channel')).toBeEditable();
  for (const vector of vectors) {
    await write(composer(a, t, name, 'channel'), vector);
    await expect(said(b, t)).toContainText(vector.replaceAll(/[\u202C\u202E]/g, '').slice(0, 12));
  }
  expect(await b.locator('[role=log] :is(img, svg, script, iframe, style, a, math)').count()).toBe(0);
});
