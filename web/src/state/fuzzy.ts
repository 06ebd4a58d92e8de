/**
 * fuzzy says how well what was typed fits a text: the lower the better; undefined: not at all. All letters have to be
 * there in their order. What begins the text or one of its words is best, then what stands together.
 */
export function fuzzy(wanted: string, text: string): number | undefined {
  const letters = [...fold(wanted)].filter((letter) => letter !== ' ');
  const whole = fold(text);
  if (letters.length === 0) return 0;
  const together = whole.indexOf(letters.join(''));
  const spaced = together >= 0 ? together : whole.indexOf(fold(wanted));
  if (spaced >= 0) return (begins(whole, spaced) ? (spaced === 0 ? 0 : 1) : 2) + whole.length / 1_000;
  let at = 0;
  let loose = 3;
  for (const letter of letters) {
    const found = whole.indexOf(letter, at);
    if (found < 0) return undefined;
    if (found > at && !begins(whole, found)) loose += 1;
    at = found + letter.length;
  }
  return loose + whole.length / 1_000;
}

/** fold takes case and accents away, so that "uber" finds "Über". */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/\p{Mark}/gu, '')
    .toLocaleLowerCase()
    .trim();
}

function begins(text: string, at: number): boolean {
  return at === 0 || !/[\p{Letter}\p{Number}]/u.test(text[at - 1] ?? '');
}
