import type { channel as en } from '../en/channel.ts';
import { amount } from '../plural.ts';
import type { Widened } from '../texts.ts';

export const channel: Widened<typeof en> = {
  live: '只给在场的人，不保留',
  liveHint: '在这里说的话只送达此刻在房间里的人，不会存储。',
  entering: '正在进入…',
  quiet: '很安静。对在场的人说点什么吧。',
  say: (name) => `在 ${name} 说点什么`,
  send: '发言',
  mayNotSpeak: '您的等级在这里只能听，不能发言。',
  slowMode: (seconds) => `慢速模式：每 ${amount(seconds)} 秒一条消息`,
  slowWait: (seconds) => `${amount(seconds)} 秒后可以再次发言`,
  skipped: (n) => `有 ${amount(n)} 条消息因连接太慢而错过`,
  people: (n) => `${amount(n)} 人在场`,
  notNamed: (n) => `还有 ${amount(n)} 人`,
  messages: '现场发言',
  enterAgain: '重新进入',
  out: {
    removed: '您已被移出此频道。',
    banned: '您已被此频道封禁。',
    deleted: '此频道已被删除。',
    elsewhere: '您进入了另一个房间。',
    closed: '此房间现在不对您开放。',
  },
};
