import { plural } from '../plural.ts';

export const channel = {
  live: 'For those here now, not kept',
  liveHint: 'What is said here reaches exactly those who are in the room. Nothing is stored.',
  entering: 'Entering…',
  quiet: 'It is quiet. Say something to those who are here.',
  say: (name: string) => `Say something in ${name}`,
  send: 'Say',
  mayNotSpeak: 'Your level may listen here, not speak.',
  slowMode: (seconds: number) =>
    plural(seconds, { one: 'Slow mode: one message a second', other: 'Slow mode: one message every # seconds' }),
  slowWait: (seconds: number) =>
    plural(seconds, { one: 'You may speak again in # second', other: 'You may speak again in # seconds' }),
  skipped: (n: number) =>
    plural(n, {
      one: '# message was too fast for this connection',
      other: '# messages were too fast for this connection',
    }),
  people: (n: number) => plural(n, { one: '# person here', other: '# people here' }),
  notNamed: (n: number) => plural(n, { one: 'and # more', other: 'and # more' }),
  messages: 'What is said here',
  enterAgain: 'Enter again',
  out: {
    removed: 'You were removed from this channel.',
    banned: 'You are banned from this channel.',
    deleted: 'This channel was deleted.',
    elsewhere: 'You entered another room.',
    closed: 'This room is closed to you now.',
  },
};
