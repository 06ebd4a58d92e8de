import { Code, ConnectError } from '@connectrpc/connect';

import { ErrorSchema, type Error as WireError } from './gen/muster/v1/live_pb.ts';

/** What a failed request asks of the client: again at once, again later, or something else than again. */
export type Retry = 'now' | 'later' | 'never';

interface FailureParts {
  /** As Connect names it, such as "permission_denied". */
  code: string;
  /** For programs, such as "not_outranked"; empty where the server gave none. */
  reason: string;
  /** The server's own sentence, in English; the pages prefer their own words for a known reason. */
  text: string;
  /** The field of an invalid request; empty otherwise. */
  field?: string;
  retry: Retry;
  /** 0: not told. */
  retryAfterMs?: number;
}

/** Failure is the one form in which any error of the server, or of the way to it, reaches state and pages. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: string;
  readonly reason: string;
  readonly text: string;
  readonly field: string;
  readonly retry: Retry;
  readonly retryAfterMs: number;

  constructor(parts: FailureParts) {
    super(`${parts.code}: ${parts.reason || parts.text}`);
    this.code = parts.code;
    this.reason = parts.reason;
    this.text = parts.text;
    this.field = parts.field ?? '';
    this.retry = parts.retry;
    this.retryAfterMs = parts.retryAfterMs ?? 0;
  }
}

/** unreachable is the failure of a request that got no answer. */
export function unreachable(reason: 'no_answer' | 'connection_lost' | 'offline'): Failure {
  return new Failure({ code: 'unavailable', reason, text: '', retry: 'later' });
}

const waiting = new Set(['unavailable', 'resource_exhausted', 'deadline_exceeded', 'internal', 'unknown']);

function retryOf(code: string): Retry {
  if (code === 'aborted') return 'now';
  return waiting.has(code) ? 'later' : 'never';
}

/** failureOfFrame maps a refusal that came over the live socket. */
export function failureOfFrame(e: WireError): Failure {
  return new Failure({
    code: e.code,
    reason: e.reason,
    text: e.message,
    field: e.field,
    retry: retryOf(e.code),
    retryAfterMs: Number(e.retryAfterMs),
  });
}

function codeName(code: Code): string {
  // Code.PermissionDenied -> permission_denied, as on the wire.
  return (Code[code] ?? 'Unknown').replaceAll(/(?<=[a-z])[A-Z]/g, '_$&').toLowerCase();
}

/** failureOf maps whatever a call threw; an error of our own making becomes "internal". */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (!(error instanceof ConnectError)) {
    return new Failure({ code: 'internal', reason: 'client', text: String(error), retry: 'never' });
  }
  const detail = error.findDetails(ErrorSchema)[0];
  if (detail) return failureOfFrame(detail);
  // fetch tells of every lost connection by a TypeError.
  if (error.cause instanceof TypeError) return unreachable('no_answer');
  const code = codeName(error.code);
  return new Failure({ code, reason: '', text: error.rawMessage, retry: retryOf(code) });
}
