import type { Format } from './format.ts';
import type { Texts } from './texts.ts';

/** What is needed of a Failure of src/api. */
interface Explained {
  code: string;
  reason: string;
  text: string;
  retryAfterMs: number;
}

/** explain says what went wrong and what to do about it, in the reader's words. */
export function explain(t: Texts, format: Format, failure: Explained): string {
  const byReason: Partial<Record<string, string>> = t.errors.reasons;
  const byCode: Partial<Record<string, string>> = t.errors.codes;
  const known = byReason[failure.reason] ?? byReason[failure.code];
  const sentence = known ?? byCode[failure.code] ?? t.errors.other(failure.text || failure.code);
  if (failure.retryAfterMs < 1000) return sentence;
  return `${sentence} ${t.errors.retry(format.fromNow(Date.now() + failure.retryAfterMs))}`;
}
