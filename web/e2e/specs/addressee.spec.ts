import { composer, history } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';

test('a message for a subgroup says so, and its draft outlives a reload', async ({ server, open, t }) => {
  const ben = await server.person('ben');
  const group = await ben.group('Night shift');
  const { subgroup } = await ben.call('GroupService/CreateSubgroup', { groupId: group, name: 'Front row' });
  await ben.call('GroupService/CreateSubgroup', { groupId: group, name: 'Stewards' });
  await ben.send(group, 'for all');
  await ben.call('GroupService/Send', {
    groupId: group,
    clientMessageId: 'x1',
    text: 'front only',
    subgroupId: subgroup.id,
  });
  const page = await open(ben, { path: `/g/${group}` });
  const to = page.getByLabel(t.group.to, { exact: true });
  await to.selectOption('Stewards');
  await composer(page, t, 'Night shift').fill('gates open at six');
  await page.reload();
  await expect(to).toHaveValue(/[1-9]/);
  await expect(composer(page, t, 'Night shift')).toHaveValue('gates open at six');
  await composer(page, t, 'Night shift').press('Enter');
  await expect(history(page, t).getByText(t.group.toSubgroup('Stewards'))).toBeVisible();
  await expect(to).toHaveValue('0');
  await expect(history(page, t)).toContainText('gates open at six');
  await expect(history(page, t).getByText(t.group.sending)).toHaveCount(0);
  const { messages } = await ben.call('GroupService/ListMessages', { groupId: group });
  expect(messages.at(-1)).toMatchObject({ text: 'gates open at six' });
  expect(Number(messages.at(-1).subgroupId)).toBeGreaterThan(0);
});
