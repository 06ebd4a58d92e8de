import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import type { AxeResults } from 'axe-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * violations are what keeps people out of a page, or of the part of it that a selector finds: what axe calls serious or
 * critical. With colours only contrast is looked at, the one thing that differs between themes.
 */
export async function violations(page: Page, part = 'html', colours = false): Promise<string[]> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(source);
  const options = colours
    ? { resultTypes: ['violations'], runOnly: ['color-contrast'] }
    : { resultTypes: ['violations'] };
  const found: AxeResults = await page.evaluate(`axe.run(${JSON.stringify(part)}, ${JSON.stringify(options)})`);
  return found.violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .flatMap((one) =>
      one.nodes.map((node) => `${one.id}: ${one.help}: ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`),
    );
}
