import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { defineConfig, type PlaywrightTestConfig } from '@playwright/test';

/** chromium is the system's browser: MUSTER_TEST_CHROMIUM, or the first that the PATH has. */
export function chromium(): string {
  const named = process.env['MUSTER_TEST_CHROMIUM'];
  if (named) return named;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // not there
      }
    }
  }
  throw new Error('There is no Chromium. Install it, or name its program in MUSTER_TEST_CHROMIUM.');
}

/** configuration is what all suites have in common. */
export function configuration(own: PlaywrightTestConfig): PlaywrightTestConfig {
  return defineConfig({
    fullyParallel: true,
    workers: 2,
    forbidOnly: Boolean(process.env['MUSTER_TEST_BROWSER_REQUIRED']),
    retries: 0,
    // Bounds for a machine that does much else meanwhile. Nothing passes by waiting.
    timeout: 240_000,
    expect: { timeout: 45_000 },
    outputDir: process.env['MUSTER_TEST_OUTPUT'] ?? '../../tmp/e2e',
    reporter: process.env['MUSTER_TEST_REPORT'] ? [['./harness/report.ts']] : [['list']],
    use: {
      actionTimeout: 60_000,
      navigationTimeout: 60_000,
      screenshot: 'only-on-failure',
      trace: process.env['MUSTER_TEST_TRACE'] ? 'retain-on-failure' : 'off',
      launchOptions: {
        executablePath: chromium(),
        args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--font-render-hinting=none'],
      },
    },
    ...own,
  });
}
