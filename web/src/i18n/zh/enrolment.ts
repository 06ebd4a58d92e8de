import type { enrolment as en } from '../en/enrolment.ts';
import { amount } from '../plural.ts';
import type { Widened } from '../texts.ts';

export const enrolment: Widened<typeof en> = {
  invitations: '邀请',
  none: '没有待答复的邀请',
  noneHint: '有人邀请您加入群组时，会显示在这里。',
  join: (group) => `加入 ${group}？`,
  askedBy: (person) => `${person} 邀请您`,
  askedFrom: (person, channel) => `${person} 从频道 ${channel} 邀请您`,
  meaning: (group, n) => `${group} 有 ${amount(n)} 名成员。成员可以读到其中的全部消息。`,
  openUntil: (when) => `有效期至 ${when}`,
  accept: '加入',
  decline: '谢绝',
  declineAndLeave: '谢绝并离开频道',
  leaveSure: (channel) => `您也会从 ${channel} 的名册中退出。继续吗？`,
  enrol: '拉人入群',
};
