import { expect, test } from 'vitest';

import { piecesOf } from './links.ts';

const cases: [string, string[]][] = [
  ['no address', []],
  ['see https://example.org/a?b=c#d.', ['https://example.org/a?b=c#d']],
  ['(https://example.org/a_(b)) and http://x.test, too', ['https://example.org/a_(b)', 'http://x.test']],
  ['看https://example.org/路径。好', ['https://example.org/路径']],
  ['javascript:alert(1) data:text/html,x file:///etc/passwd', []],
  ['xhttps://example.org', []],
  ['https:// and https://.', []],
  ['https://bank.test@evil.test/', []],
  ['HTTPS://EXAMPLE.ORG!!!', ['HTTPS://EXAMPLE.ORG']],
];

test.each(cases)('%s', (text, links) => {
  const pieces = piecesOf(text);
  expect(pieces.filter((piece) => piece.href).map((piece) => piece.text)).toEqual(links);
  expect(pieces.map((piece) => piece.text).join('')).toBe(text);
  for (const { href } of pieces) if (href) expect(['http:', 'https:']).toContain(new URL(href).protocol);
});
