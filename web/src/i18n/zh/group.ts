import type { group as en } from '../en/group.ts';
import { amount } from '../plural.ts';
import type { Widened } from '../texts.ts';

export const group: Widened<typeof en> = {
  messages: '消息',
  kept: '每个人都会读到，现在或回来之后',
  empty: '还没有消息，来写第一条吧。',
  write: (name) => `发消息到 ${name}`,
  send: '发送',
  unread: '新消息',
  toEnd: '跳到最新消息',
  joined: (n) => `${amount(n)} 人加入`,
  tombstone: '此消息已无法读取。',
  sending: '正在发送…',
  waiting: '等待连接',
  refused: '未发送',
  again: '重新发送',
  discard: '丢弃',
  members: (n) => `${amount(n)} 名成员`,
  subgroups: '子组',
  noSubgroup: '未分组',
  roles: { owner: '群主', admin: '管理员', member: '成员' },
};
