import type { Format } from '../../i18n/format.ts';

const units = [
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** durationText writes a length of time in the greatest unit that it is a whole number of: "5 minutes". */
export function durationText(f: Format, ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const [unit, size] = units.find(([, size]) => seconds % size === 0) ?? ['second', 1];
  const format = new Intl.NumberFormat(f.tag, { style: 'unit', unit, unitDisplay: 'long' });
  return format.format(seconds / size);
}
