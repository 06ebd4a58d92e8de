import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';

import type { Credentials } from './clients.ts';
import { Failure, failureOfFrame, unreachable } from './errors.ts';
import {
  ImportRosterRequestSchema,
  ImportRosterResponseSchema,
  type ImportRosterResponse,
} from './gen/muster/v1/channel_pb.ts';
import { ErrorSchema } from './gen/muster/v1/live_pb.ts';

/** The flag of the envelope that ends a stream (connectrpc.com/docs/protocol, "Streaming RPCs"). */
const endFlag = 2;
const headBytes = 5;

/**
 * importRoster sends one stream of ImportRoster whose messages are all there already. Browsers cannot stream a request
 * as it grows, and Connect's own client refuses to; a long file goes as several calls, of some 5,000 lines each, which
 * is also how its progress is known. The first message names the channel. It rejects with a Failure.
 */
export async function importRoster(
  credentials: Credentials,
  messages: readonly MessageInitShape<typeof ImportRosterRequestSchema>[],
): Promise<ImportRosterResponse> {
  const headers: Record<string, string> = {
    'Content-Type': 'application/connect+proto',
    'Connect-Protocol-Version': '1',
  };
  if (credentials.token) headers['Authorization'] = `Bearer ${credentials.token}`;
  const body = new Blob(
    messages.map((m) => envelope(toBinary(ImportRosterRequestSchema, create(ImportRosterRequestSchema, m)))),
  );
  let answer: Uint8Array;
  try {
    const response = await fetch('/muster.v1.ChannelService/ImportRoster', { method: 'POST', headers, body });
    answer = new Uint8Array(await response.arrayBuffer());
    if (!response.ok) throw failureOfEnd(new TextDecoder().decode(answer));
  } catch (error) {
    throw error instanceof Failure ? error : unreachable('no_answer');
  }
  return readAnswer(answer);
}

/** envelope puts the flags and the length before a message. */
export function envelope(message: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(headBytes + message.length);
  out[0] = flags;
  new DataView(out.buffer).setUint32(1, message.length);
  out.set(message, headBytes);
  return out;
}

/** readAnswer reads the one message of the answer and its end; an end with an error is thrown as a Failure. */
export function readAnswer(answer: Uint8Array): ImportRosterResponse {
  let found: ImportRosterResponse | undefined;
  let at = 0;
  while (at + headBytes <= answer.length) {
    const view = new DataView(answer.buffer, answer.byteOffset + at);
    const end = at + headBytes + view.getUint32(1);
    const message = answer.subarray(at + headBytes, end);
    if ((view.getUint8(0) & endFlag) === 0) found = fromBinary(ImportRosterResponseSchema, message);
    else {
      const { error } = JSON.parse(new TextDecoder().decode(message)) as { error?: unknown };
      if (error) throw failureOfEnd(JSON.stringify(error));
    }
    at = end;
  }
  if (!found) throw unreachable('connection_lost');
  return found;
}

function failureOfEnd(json: string): Failure {
  try {
    const error = JSON.parse(json) as { code: string; message?: string; details?: { type: string; value: string }[] };
    const detail = error.details?.find((one) => one.type === 'muster.v1.Error');
    if (detail) return failureOfFrame(fromBinary(ErrorSchema, base64Decode(detail.value)));
    return new Failure({ code: error.code, reason: '', text: error.message ?? '', retry: 'never' });
  } catch {
    return unreachable('no_answer'); // whoever answered was not the server
  }
}
