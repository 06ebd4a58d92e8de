import { test as base, type Browser, type BrowserContextOptions, type Page } from '@playwright/test';
import type { Person } from './server.ts';
import { Server } from './server.ts';
import { texts, type Language, type Texts } from './texts.ts';
import { Watch } from './watch.ts';

export { expect } from '@playwright/test';
export { devices } from '@playwright/test';

/** Opened is how somebody's browser is. */
export interface Opened extends BrowserContextOptions {
  language?: Language;
  /** Whether the browser is signed in already; true unless given. */
  signedIn?: boolean;
  /** The path that is opened, '/' unless given. */
  path?: string;
}

/** Open opens a browser of its own for somebody, or for nobody. */
export type Open = (person: Person | Server, options?: Opened) => Promise<Page>;

interface Each {
  /** open opens a page; what it must not do fails the test. */
  open: Open;
  watch: Watch;
  /** own is a server for one test alone, to be killed, filled or set otherwise. */
  own: (settings?: Record<string, string>) => Promise<Server>;
  /** t are the texts of the language that pages open in unless they say otherwise: English. */
  t: Texts;
}

interface Worker {
  /** server is shared by the tests of a worker, whose people and places are each test's own. */
  server: Server;
}

const locales: Record<Language, string> = { en: 'en-GB', zh: 'zh-CN' };

export const test = base.extend<Each, Worker>({
  server: [
    async ({}, give) => {
      const server = await new Server().start();
      await give(server);
      await server.remove();
    },
    { scope: 'worker' },
  ],

  own: async ({}, give) => {
    const servers: Server[] = [];
    await give(async (settings) => {
      const server = new Server(settings);
      servers.push(server);
      return server.start();
    });
    for (const server of servers) await server.remove();
  },

  watch: async ({}, give) => {
    const watch = new Watch();
    await give(watch);
    if (watch.problems.length > 0) throw new Error(`the pages did what they must not:\n${watch.problems.join('\n')}`);
  },

  open: async ({ browser, watch }, give) => {
    const contexts: Awaited<ReturnType<Browser['newContext']>>[] = [];
    await give(async (who, options = {}) => {
      const { language = 'en', signedIn = true, path = '/', ...context } = options;
      const server = who instanceof Server ? who : who.server;
      const made = await browser.newContext({
        baseURL: server.url,
        locale: locales[language],
        reducedMotion: 'reduce',
        ...context,
      });
      contexts.push(made);
      await watch.follow(made);
      if (!(who instanceof Server) && signedIn) {
        const { token } = await server.session(who);
        await made.addCookies([{ name: 'muster', value: token, url: server.url, httpOnly: true, sameSite: 'Lax' }]);
      }
      const page = await made.newPage();
      await page.goto(path);
      return page;
    });
    for (const context of contexts) await context.close();
  },

  t: async ({}, give) => give(texts('en')),
});
