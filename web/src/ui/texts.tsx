import { createContext, useContext } from 'react';

import type { Format } from '../i18n/format.ts';
import type { Texts } from '../i18n/texts.ts';

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
