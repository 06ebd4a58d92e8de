import { formatOf } from './format.ts';

let rules: Intl.PluralRules | undefined;
const english = formatOf('en');
const chinese = formatOf('zh');

/** plural is the English form for a count; "#" stands for the count. */
export function plural(n: number, forms: { one: string; other: string }): string {
  rules ??= new Intl.PluralRules('en');
  return forms[rules.select(n) === 'one' ? 'one' : 'other'].replace('#', english.number(n));
}

/** amount writes a count in Chinese, which has no plural. */
export function amount(n: number): string {
  return chinese.number(n);
}
