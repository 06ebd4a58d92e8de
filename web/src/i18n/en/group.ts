import { plural } from '../plural.ts';

export const group = {
  messages: 'Messages',
  kept: 'Everybody reads this, now or on return',
  empty: 'Nothing was written yet. The first message is yours.',
  write: (name: string) => `Write to ${name}`,
  send: 'Send',
  unread: 'New',
  toEnd: 'To the newest message',
  joined: (n: number) => plural(n, { one: '# person joined', other: '# people joined' }),
  tombstone: 'This message cannot be read any more.',
  sending: 'Sending…',
  waiting: 'Waits for the connection',
  refused: 'Not sent',
  again: 'Send again',
  discard: 'Discard',
  members: (n: number) => plural(n, { one: '# member', other: '# members' }),
  subgroups: 'Subgroups',
  noSubgroup: 'In no subgroup',
  roles: { owner: 'Owner', admin: 'Admin', member: 'Member' },
};
