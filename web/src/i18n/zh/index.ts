export { account } from './account.ts';
export { admin } from './admin.ts';
export { channel } from './channel.ts';
export { enrolment } from './enrolment.ts';
export { errors } from './errors.ts';
export { group } from './group.ts';
export { shell } from './shell.ts';
export { ui } from './ui.ts';
