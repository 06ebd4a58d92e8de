import type { ui as en } from '../en/ui.ts';
import type { Widened } from '../texts.ts';

export const ui: Widened<typeof en> = {
  close: '关闭',
  cancel: '取消',
  more: '更多',
  save: '保存',
  saved: '已保存。',
  retry: '重试',
  loading: '正在加载…',
  progress: (done, total) => `${done} / ${total}`,
  levels: {
    owner: '所有者',
    admin: '管理员',
    moderator: '协管员',
    member: '成员',
    vip: 'VIP',
    guest: '访客',
    visitor: '旁听者',
  },
};
