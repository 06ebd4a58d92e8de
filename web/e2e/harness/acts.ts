import type { Locator, Page } from '@playwright/test';
import type { Texts } from './texts.ts';

/** navigation is the left column. */
export function navigation(page: Page, t: Texts): Locator {
  return page.getByRole('navigation', { name: t.shell.navigation });
}

/** composer is where one writes in the group or the room of this name. */
export function composer(page: Page, t: Texts, name: string, kind: 'group' | 'channel' = 'group'): Locator {
  return page.getByRole('textbox', { name: kind === 'group' ? t.group.write(name) : t.channel.say(name), exact: true });
}

/** history is the list of a group's messages. */
export function history(page: Page, t: Texts): Locator {
  return page.getByRole('log', { name: t.group.messages });
}

/** said is the list of what was said in a room. */
export function said(page: Page, t: Texts): Locator {
  return page.getByRole('log', { name: t.channel.messages });
}

/** write writes something and sends it by Enter. */
export async function write(field: Locator, text: string): Promise<void> {
  await field.fill(text);
  await field.press('Enter');
}

/** menu opens the menu of the account and picks an item. */
export async function menu(page: Page, t: Texts, item: string): Promise<void> {
  await page.getByRole('button', { name: t.shell.account }).click();
  await page.getByRole('menuitem', { name: item }).click();
}
