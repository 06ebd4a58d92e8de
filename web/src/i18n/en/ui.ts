export const ui = {
  close: 'Close',
  cancel: 'Cancel',
  more: 'More',
  save: 'Save',
  saved: 'Saved.',
  retry: 'Try again',
  loading: 'Loading…',
  progress: (done: string, total: string) => `${done} of ${total}`,
  levels: {
    owner: 'Owner',
    admin: 'Admin',
    moderator: 'Moderator',
    member: 'Member',
    vip: 'VIP',
    guest: 'Guest',
    visitor: 'Visitor',
  },
};
