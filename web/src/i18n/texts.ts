import type { Language } from './language.ts';
import type * as english from './en/index.ts';

/** Widened is the shape of one feature's English texts; the Chinese ones have to have it, no key less and none more. */
export type Widened<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...args: infer A) => string
      ? (...args: A) => string
      : Widened<T[K]>;
};

/** Texts are all texts of one language, by feature. */
export type Texts = { [F in keyof typeof english]: Widened<(typeof english)[F]> };

/** loadTexts brings a language's texts; each is a script of its own, so that nobody loads both. */
export async function loadTexts(language: Language): Promise<Texts> {
  return language === 'zh' ? import('./zh/index.ts') : import('./en/index.ts');
}
