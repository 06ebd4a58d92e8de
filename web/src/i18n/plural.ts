import { formatOf } from './format.ts';

const rules = new Intl.PluralRules('en');
const english = formatOf('en');
const chinese = formatOf('zh');

/** plural is the English form for a count; "#" stands for the count. */
export function plural(n: number, forms: { one: string; other: string }): string {
  return forms[rules.select(n) === 'one' ? 'one' : 'other'].replace('#', english.number(n));
}

/** amount writes a count in Chinese, which has no plural. */
export function amount(n: number): string {
  return chinese.number(n);
}
