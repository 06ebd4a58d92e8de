import * as en from '../../src/i18n/en/index.ts';
import * as zh from '../../src/i18n/zh/index.ts';
import type { Texts as All } from '../../src/i18n/texts.ts';

export type Language = 'en' | 'zh';
export type Texts = All;

/** texts are the client's own words, by which the tests find what people see. */
export function texts(language: Language): Texts {
  return language === 'zh' ? zh : en;
}
