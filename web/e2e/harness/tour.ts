import { expect, type Locator, type Page } from '@playwright/test';
import type { Texts } from './texts.ts';
import type { World } from './world.ts';

/** Stop is a page, or what opens over one. */
export interface Stop {
  path: string;
  /** What opens over the page: its name, and the acts that open it. It is closed by Escape. */
  over?: { name: string; role: 'dialog' | 'menu'; open: (page: Page) => Promise<void> };
}

/** nobodysPages are those of somebody who is not signed in. */
export const nobodysPages = ['/', '/signup', '/setup#mss_x'];

/** ownersPages are all pages of the owner of a world. */
export function ownersPages({ channel, group, second, job }: World): string[] {
  return [
    '/',
    `/c/${channel}`,
    ...['roster', 'import', 'settings', 'bans', 'enrol'].map((tab) => `/c/${channel}/${tab}`),
    `/g/${group}`,
    ...['members', 'subgroups', 'settings', 'enrol'].map((tab) => `/g/${group}/${tab}`),
    `/g/${second}/enrol/${job}`,
    '/invitations',
    ...['', '/appearance', '/password', '/sessions', '/blocked'].map((tab) => `/settings${tab}`),
    ...['', '/accounts', '/limits', '/audit'].map((tab) => `/admin${tab}`),
    '/nowhere',
  ];
}

function dialog(path: string, name: string, open: (page: Page) => Promise<void>): Stop {
  return { path, over: { name, role: 'dialog', open } };
}

function button(name: string): (page: Page) => Promise<void> {
  return (page) => page.getByRole('button', { name, exact: true }).click();
}

/** ownersOverlays are all dialogs and menus that the owner of a world can open, in the order of their pages. */
export function ownersOverlays({ channel, group, second, job, names }: World, t: Texts): Stop[] {
  const pick = (menu: string, item: string) => async (page: Page) => {
    await button(menu)(page);
    await page.getByRole('menuitem', { name: item, exact: true }).click();
  };
  const row = (page: Page): Locator =>
    page.getByRole('main').locator('button[aria-haspopup=dialog]').filter({ hasText: names.someone }).first();
  const person = (page: Page) => row(page).click();
  const inPerson = (act: string) => async (page: Page) => {
    await person(page);
    await page.getByRole('dialog').getByRole('button', { name: act, exact: true }).click();
  };
  const menu = (path: string, name: string): Stop => ({ path, over: { name, role: 'menu', open: button(name) } });
  const [c, g] = [`/c/${channel}`, `/g/${group}`];
  const [ofChannel, ofGroup] = [t.channel.acts(names.channel), t.group.acts(names.group)];
  const ofPart = t.group.parts.acts(names.part);
  return [
    menu('/', t.shell.account),
    dialog('/', 'jump', (page) => page.keyboard.press('Control+k')),
    dialog('/', 'keys', (page) => page.keyboard.press('?')),
    dialog('/', t.shell.newChannel, button(t.shell.newChannel)),
    dialog('/', t.shell.newGroup, button(t.shell.newGroup)),
    menu(c, ofChannel),
    dialog(c, t.channel.newInside, pick(ofChannel, t.channel.newInside)),
    dialog(c, t.channel.leave, pick(ofChannel, t.channel.leave)),
    dialog(c, t.channel.handOver, async (page) => {
      await pick(ofChannel, t.channel.leave)(page);
      await page.getByRole('dialog').getByRole('button', { name: t.channel.leave, exact: true }).click();
      await page.getByRole('alert').filter({ hasText: t.channel.handOver }).waitFor();
    }),
    dialog(`${c}/roster`, 'person', person),
    dialog(`${c}/roster`, t.channel.person.remove, inPerson(t.channel.person.remove)),
    dialog(`${c}/roster`, t.channel.person.ban, inPerson(t.channel.person.ban)),
    dialog(`${c}/roster`, t.channel.add.title, async (page) => {
      await button(t.channel.add.title)(page);
      await page.getByLabel(t.channel.add.find, { exact: true }).fill(names.account);
      await page.getByRole('dialog').getByRole('listitem').first().waitFor();
    }),
    dialog(`${c}/settings`, t.channel.remove, button(t.channel.remove)),
    menu(g, ofGroup),
    dialog(g, t.group.leave, pick(ofGroup, t.group.leave)),
    dialog(g, t.group.dissolve, pick(ofGroup, t.group.dissolve)),
    dialog(`${g}/members`, 'member', person),
    dialog(`${g}/members`, t.group.people.handOver, inPerson(t.group.people.handOver)),
    dialog(`${g}/members`, t.group.people.remove, inPerson(t.group.people.remove)),
    dialog(`${g}/members`, t.group.invite.title, async (page) => {
      await button(t.group.invite.title)(page);
      await page.getByLabel(t.group.invite.find, { exact: true }).fill(names.account);
      await page.getByRole('dialog').getByRole('listitem').first().waitFor();
    }),
    menu(`${g}/subgroups`, ofPart),
    dialog(`${g}/subgroups`, t.group.parts.rename, pick(ofPart, t.group.parts.rename)),
    dialog(`${g}/subgroups`, t.group.parts.remove, pick(ofPart, t.group.parts.remove)),
    dialog(`/g/${second}/enrol/${job}`, t.enrolment.undo, button(t.enrolment.undo)),
    dialog('/admin/accounts', t.admin.newAccount, button(t.admin.newAccount)),
    dialog('/admin/accounts', 'account', person),
    dialog('/admin/accounts', t.admin.suspend, inPerson(t.admin.suspend)),
    dialog('/admin/accounts', t.admin.reset, inPerson(t.admin.reset)),
  ];
}

/** go shows a page as a link does, without loading everything anew, and waits until it has what it shows. */
export async function go(page: Page, path: string, t: Texts): Promise<void> {
  await page.evaluate((path) => {
    history.pushState(null, '', path);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  await settled(page, t);
}

/** settled waits until a page has what it shows. */
export async function settled(page: Page, t: Texts): Promise<void> {
  await expect(page.locator('h1').first()).toBeAttached(); // a phone shows the list beside it
  await expect(page.getByText(t.ui.loading, { exact: true })).toHaveCount(0);
}

/** opened opens what lies over a page, and gives it. */
export async function opened(page: Page, over: NonNullable<Stop['over']>): Promise<Locator> {
  await over.open(page);
  const found = page.getByRole(over.role);
  await expect(found).toBeVisible();
  return found;
}

/** closed closes it by Escape. */
export async function closed(page: Page, over: Locator): Promise<void> {
  await page.keyboard.press('Escape');
  await expect(over).toBeHidden();
}
