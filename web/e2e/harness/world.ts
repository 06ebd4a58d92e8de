import type { Person } from './server.ts';
import type { Language } from './texts.ts';

/** World is where the pages of a server in the middle of its life are found. */
export type World = Awaited<ReturnType<typeof world>>;

/** world makes a server's people and places in the middle of their life. */
export async function world(owner: Person, others: Person[], language: Language) {
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
  const someone = others[0] ?? owner;
  return {
    channel,
    group,
    second,
    job: enrolment.id as string,
    names: {
      channel: zh ? '观星台' : 'Observatory',
      group: zh ? '星空聚会' : 'Star party',
      part: zh ? '工作人员' : 'Crew',
      someone: someone.nickname,
      account: someone.name,
    },
  };
}
