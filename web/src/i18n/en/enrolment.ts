import { plural } from '../plural.ts';

export const enrolment = {
  invitations: 'Invitations',
  none: 'No invitation waits for an answer',
  noneHint: 'When somebody asks you to join a group, the question is here.',
  join: (group: string) => `Join ${group}?`,
  askedBy: (person: string) => `${person} asks you`,
  askedFrom: (person: string, channel: string) => `${person} asks you, from the channel ${channel}`,
  meaning: (group: string, n: number) =>
    plural(n, {
      one: `${group} has # member. Members read everything that is written there.`,
      other: `${group} has # members. Members read everything that is written there.`,
    }),
  openUntil: (when: string) => `Open until ${when}`,
  accept: 'Join',
  decline: 'Decline',
  declineAndLeave: 'Decline and leave the channel',
  leaveSure: (channel: string) => `You also leave the roster of ${channel}. Go on?`,
  enrol: 'Bring people in',
};
