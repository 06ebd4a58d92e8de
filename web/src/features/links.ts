/** Piece is a part of a text: words, or the address of a web page. */
export interface Piece {
  text: string;
  href?: string;
}

const address = /\bhttps?:\/\/[^\s<>"'`\u3000-\u303f\uff00-\uffef]+/giu;
/** What stands behind an address at the end of a sentence is not part of it. */
const behind = /[.,:;!?'"*_~]$/u;
const brackets = { ')': '(', ']': '[', '}': '{' };

/** piecesOf finds the web addresses of a text. Only http and https become links: no other scheme may be followed. */
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    const found = trimmed(match[0]);
    const href = URL.parse(found);
    if (!href || href.hostname === '' || href.username !== '' || href.password !== '') continue;
    if (match.index > at) pieces.push({ text: text.slice(at, match.index) });
    pieces.push({ text: found, href: href.href });
    at = match.index + found.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at) });
  return pieces;
}

function trimmed(found: string): string {
  let rest = found;
  for (;;) {
    const last = rest.at(-1) ?? '';
    const opening = brackets[last as keyof typeof brackets];
    const unopened = opening !== undefined && rest.split(last).length > rest.split(opening).length;
    if (!unopened && !behind.test(rest)) return rest;
    rest = rest.slice(0, -1);
  }
}
