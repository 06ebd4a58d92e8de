import type { BrowserContext, ConsoleMessage, Page } from '@playwright/test';

/** Watch collects what no page may do: break its policy, throw, or complain in the console. */
export class Watch {
  readonly problems: string[] = [];
  #allowed: RegExp[] = [
    /^Failed to load resource/, // the browser's line for every answer that is an error; the page tells people in its own words
    /^WebSocket connection to .* failed/, // likewise: servers are killed in tests
  ];

  async follow(context: BrowserContext): Promise<void> {
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        // oxlint-disable-next-line no-console -- the way out of the page
        console.error(
          `POLICY ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`,
        );
      });
      // What a vector of cross-site scripting would call.
      Object.defineProperty(window, 'pwned', {
        // oxlint-disable-next-line no-console -- likewise
        value: (what: unknown) => console.error(`PWNED ${String(what)}`),
      });
    });
    context.on('console', (message) => this.#hear(message));
    context.on('weberror', (error) => this.problems.push(`thrown: ${error.error().stack ?? error.error().message}`));
    context.on('page', (page) => this.#dialogs(page));
  }

  /** allow lets lines of the console pass that a test provokes. */
  allow(pattern: RegExp): void {
    this.#allowed.push(pattern);
  }

  #hear(message: ConsoleMessage): void {
    const bad = ['error', 'warning', 'assert'].includes(message.type());
    const text = message.text();
    if (bad && !this.#allowed.some((pattern) => pattern.test(text))) {
      this.problems.push(`console.${message.type()}: ${text} (${message.location().url})`);
    }
  }

  // A dialog that a page did not mean to open is a vector that worked; the pages themselves open none but on leaving.
  #dialogs(page: Page): void {
    page.on('dialog', (dialog) => {
      if (dialog.type() !== 'beforeunload') this.problems.push(`dialog: ${dialog.message()}`);
      void dialog.accept().catch(() => undefined); // the page may be gone
    });
  }
}
