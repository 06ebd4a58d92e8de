import type { Kept } from './kept.ts';
import { Store, type Readable } from './store.ts';

export const languages = ['en', 'zh'] as const;
export type Language = (typeof languages)[number];
export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

export interface PreferencesValue {
  language: Language;
  theme: Theme;
}

const key = 'muster.preferences';

/** languageOf is the language to show to somebody who reads these (BCP 47), best first. */
export function languageOf(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0];
    for (const language of languages) if (language === base) return language;
  }
  return 'en';
}

/** Preferences are this browser's: they hold before anybody has signed in, and for all tabs. */
export class Preferences {
  #kept: Kept;
  #store: Store<PreferencesValue>;
  #fallback: PreferencesValue;

  constructor(kept: Kept, wanted: readonly string[]) {
    this.#kept = kept;
    this.#fallback = { language: languageOf(wanted), theme: 'system' };
    this.#store = new Store(this.#read());
    kept.onChange((changed) => {
      if (changed === key) this.#store.set(this.#read());
    });
  }

  get value(): Readable<PreferencesValue> {
    return this.#store;
  }

  set(fields: Partial<PreferencesValue>): void {
    this.#store.patch(fields);
    this.#kept.write(key, JSON.stringify(this.#store.get()));
  }

  #read(): PreferencesValue {
    let stored: Partial<PreferencesValue> = {};
    try {
      stored = JSON.parse(this.#kept.read(key) ?? '{}') as typeof stored;
    } catch {
      // What another version wrote is no preference.
    }
    return {
      language: languages.find((language) => language === stored.language) ?? this.#fallback.language,
      theme: themes.find((theme) => theme === stored.theme) ?? this.#fallback.theme,
    };
  }
}
