import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

// Every colour of tokens.css that text has, against every ground that it stands on, in both themes: WCAG 2.2 asks for
// 4.5:1 for text (1.4.3) and 3:1 for what shows where a field is or has the focus (1.4.11).

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8');

type Theme = 'light' | 'dark';
type Colour = readonly [number, number, number];

function tokensOf(selector: string): Map<string, string> {
  const start = css.indexOf(`${selector} {`);
  const block = css.slice(start, css.indexOf('\n}', start));
  return new Map([...block.matchAll(/--([\w-]+):\s*([^;]+);/g)].map((match) => [match[1] ?? '', match[2] ?? '']));
}

const light = tokensOf('\n:root');
const tokens: Record<Theme, Map<string, string>> = {
  light,
  dark: new Map([...light, ...tokensOf(":root[data-theme='dark']")]),
};

function colour(theme: Theme, name: string): Colour {
  const value = tokens[theme].get(name) ?? '';
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/.exec(value);
  if (!match) throw new Error(`--${name} is no colour of six digits in ${theme}: ${value}`);
  return [1, 2, 3].map((i) => Number.parseInt(match[i] ?? '', 16)) as unknown as Colour;
}

/** luminance is the relative luminance of WCAG 2.2. */
function luminance(rgb: Colour): number {
  const [r, g, b] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as unknown as Colour;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: Colour, b: Colour): number {
  const [bright, dim] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (bright + 0.05) / (dim + 0.05);
}

/** mixed is color-mix(in srgb, a share%, b). */
function mixed(a: Colour, share: number, b: Colour): Colour {
  return [0, 1, 2].map((i) => Math.round((a[i] ?? 0) * share + (b[i] ?? 0) * (1 - share))) as unknown as Colour;
}

const grounds = ['ground', 'surface', 'raised', 'hover', 'active'];
const levels = ['owner', 'admin', 'moderator', 'member', 'vip', 'guest'].map((level) => `level-${level}`);

const text: [string, string[]][] = [
  ['text', [...grounds, 'accent-soft', 'warn-soft', 'danger-soft']],
  ['text-soft', grounds],
  ['accent-text', [...grounds, 'accent-soft']],
  ['danger-text', ['ground', 'surface', 'raised', 'hover', 'danger-soft']],
  ['warn-text', ['ground', 'surface', 'raised', 'warn-soft']],
  ['good-text', ['ground', 'surface', 'raised', 'hover']],
  ['on-accent', ['accent', 'accent-hover']],
  ['on-danger', ['danger', 'danger-hover']],
  ...levels.map((level): [string, string[]] => [level, ['ground', 'surface', 'raised', 'hover']]),
];
const shapes: [string, string[]][] = [
  ['line-strong', ['ground', 'surface', 'raised']],
  ['accent', ['ground', 'surface']],
  ['accent-text', grounds],
];

for (const theme of ['light', 'dark'] as const) {
  const low = (pairs: [string, string[]][], least: number) =>
    pairs.flatMap(([front, backs]) =>
      backs
        .map((back) => ({ front, back, ratio: contrast(colour(theme, front), colour(theme, back)) }))
        .filter(({ ratio }) => ratio < least)
        .map(({ back, ratio }) => `${front} on ${back}: ${ratio.toFixed(2)}`),
    );

  test(`${theme}: text can be read`, () => expect(low(text, 4.5)).toEqual([]));

  test(`${theme}: fields and the focus can be seen`, () => expect(low(shapes, 3)).toEqual([]));

  test(`${theme}: the letters of every avatar can be read`, () => {
    for (const level of levels) {
      const tone = colour(theme, level);
      // As Avatar.module.css mixes its ground.
      expect(contrast(tone, mixed(tone, 0.16, colour(theme, 'surface'))), level).toBeGreaterThanOrEqual(4.5);
    }
  });
}

test('contrast is that of the standard', () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21);
  expect(contrast([0x76, 0x76, 0x76], [255, 255, 255])).toBeCloseTo(4.54, 2);
});
