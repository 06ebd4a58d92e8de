import type { Language } from './language.ts';

const tags: Record<Language, string> = { en: 'en', zh: 'zh-Hans' };

/** Format writes numbers and times as the language's readers expect them. */
export interface Format {
  /** For the page's lang attribute. */
  tag: string;
  number(n: number): string;
  /** Such as "12K": for badges. */
  short(n: number): string;
  percent(share: number): string;
  /** Hours and minutes. */
  time(ms: number): string;
  /** A day: "today" and "yesterday" in words. */
  day(ms: number): string;
  /** A date without the time. */
  date(ms: number): string;
  dateTime(ms: number): string;
  /** How long from now, or ago: "in 3 hours". */
  fromNow(ms: number): string;
  list(items: string[]): string;
  collator: Intl.Collator;
}

/** formatOf makes the formats of a language. Each of them takes the browser a while: it is made when it is first needed. */
export function formatOf(language: Language): Format {
  const tag = tags[language];
  const number = once(() => new Intl.NumberFormat(tag));
  const short = once(() => new Intl.NumberFormat(tag, { notation: 'compact', maximumFractionDigits: 1 }));
  const percent = once(() => new Intl.NumberFormat(tag, { style: 'percent', maximumFractionDigits: 0 }));
  const time = once(() => new Intl.DateTimeFormat(tag, { hour: '2-digit', minute: '2-digit' }));
  const day = once(
    () => new Intl.DateTimeFormat(tag, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
  );
  const date = once(() => new Intl.DateTimeFormat(tag, { dateStyle: 'medium' }));
  const dateTime = once(() => new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'short' }));
  const relative = once(() => new Intl.RelativeTimeFormat(tag, { numeric: 'auto' }));
  const list = once(() => new Intl.ListFormat(tag));
  const collator = once(() => new Intl.Collator(tag, { numeric: true }));
  return {
    tag,
    number: (n) => number().format(n),
    short: (n) => short().format(n),
    percent: (share) => percent().format(share),
    time: (ms) => time().format(ms),
    day(ms) {
      const days = Math.round((startOfDay(ms) - startOfDay(Date.now())) / 86_400_000);
      return days === 0 || days === -1 ? relative().format(days, 'day') : day().format(ms);
    },
    date: (ms) => date().format(ms),
    dateTime: (ms) => dateTime().format(ms),
    fromNow: (ms) => relative().format(...inUnits(ms - Date.now())),
    list: (items) => list().format(items),
    get collator() {
      return collator();
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function startOfDay(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}

function inUnits(ms: number): [number, Intl.RelativeTimeFormatUnit] {
  const seconds = Math.round(ms / 1000);
  const units: [number, Intl.RelativeTimeFormatUnit][] = [
    [86_400, 'day'],
    [3_600, 'hour'],
    [60, 'minute'],
  ];
  for (const [size, unit] of units) if (Math.abs(seconds) >= size) return [Math.round(seconds / size), unit];
  return [seconds, 'second'];
}
