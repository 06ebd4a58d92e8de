import type { admin as en } from '../en/admin.ts';
import type { Widened } from '../texts.ts';

export const admin: Widened<typeof en> = {
  title: '服务器管理',
  statistics: '统计',
  version: '版本',
  store: '存储',
  started: '启动',
  accounts: '账号',
  channels: '频道',
  groups: '群组',
  connections: '连接',
  online: '在线人数',
  sent: '群组消息',
};
