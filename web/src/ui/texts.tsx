import { createContext, useContext } from 'react';

import { formatOf, type Format } from '../i18n/format.ts';
import type { Language } from '../i18n/language.ts';
import { loadTexts, type Texts } from '../i18n/texts.ts';

export interface Reading {
  /** All texts of the reader's language: t.group.send. */
  t: Texts;
  /** Numbers and times in the reader's language. */
  f: Format;
}

export const ReadingContext = createContext<Reading | undefined>(undefined);

/** useTexts gives a component its words. */
export function useTexts(): Reading {
  const reading = useContext(ReadingContext);
  if (!reading) throw new Error('no texts above this component');
  return reading;
}

const readings = new Map<Language, Reading>();

/** bringReading fetches what is needed to show the page in a language; the same again for the same language. */
export async function bringReading(language: Language): Promise<Reading> {
  const t = await loadTexts(language);
  const reading = readings.get(language) ?? { t, f: formatOf(language) };
  readings.set(language, reading);
  return reading;
}

/** readingOf is what bringReading has fetched already. */
export function readingOf(language: Language): Reading | undefined {
  return readings.get(language);
}
