export const admin = {
  title: 'Administration',
  statistics: 'Statistics',
  version: 'Version',
  store: 'Storage',
  started: 'Started',
  accounts: 'Accounts',
  channels: 'Channels',
  groups: 'Groups',
  connections: 'Connections',
  online: 'People online',
  sent: 'Group messages',
};
