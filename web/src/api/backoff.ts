import type { Retry } from './errors.ts';

const firstMs = 500;
const mostMs = 30_000;

/**
 * backoffMs is how long to wait before the next attempt to connect. attempt counts the failures in a row, from 0.
 * Half of every wait is jitter, so that the clients of a restarted server don't come back as one.
 */
export function backoffMs(attempt: number, retry: Retry, retryAfterMs: number, random: () => number): number {
  if (retryAfterMs > 0) return retryAfterMs + random() * Math.min(retryAfterMs, 2_000);
  if (retry === 'now' && attempt === 0) return random() * 250;
  const wait = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 10));
  return wait / 2 + (random() * wait) / 2;
}

/** retryOfClose is what the close code asks for (docs/protocol.md, "The end of a connection"). */
export function retryOfClose(code: number): Retry {
  if (code >= 4200 && code < 4300) return 'never';
  if (code >= 4100 && code < 4200) return 'later';
  return 'now';
}
