import { create, toBinary } from '@bufbuild/protobuf';
import { base64Encode } from '@bufbuild/protobuf/wire';
import { afterEach, expect, test, vi } from 'vitest';

import { ImportRosterResponseSchema } from './gen/muster/v1/channel_pb.ts';
import { ErrorSchema } from './gen/muster/v1/live_pb.ts';
import { envelope, importRoster, readAnswer } from './importRoster.ts';

const utf8 = new TextEncoder();
const message = envelope(
  toBinary(ImportRosterResponseSchema, create(ImportRosterResponseSchema, { added: 3n, bad: 1n })),
);
const done = envelope(utf8.encode('{}'), 2);

afterEach(() => vi.unstubAllGlobals());

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => Array.from(part)));
}

test('an answer is one message and an end', () => {
  expect(readAnswer(joined(message, done))).toMatchObject({ added: 3n, bad: 1n });
  expect(() => readAnswer(joined(done))).toThrow('connection_lost');
});

test('an end with an error is a Failure, with the reason of its detail', () => {
  const detail = toBinary(ErrorSchema, create(ErrorSchema, { code: 'permission_denied', reason: 'not_channel_admin' }));
  const details = [{ type: 'muster.v1.Error', value: base64Encode(detail, 'std_raw') }];
  const end = envelope(utf8.encode(JSON.stringify({ error: { code: 'permission_denied', details } })), 2);
  expect(() => readAnswer(end)).toThrow(expect.objectContaining({ reason: 'not_channel_admin', retry: 'never' }));
});

test('every message of the request has its envelope', async () => {
  const fetched = vi.fn(async (_: string, init: RequestInit) => {
    const sent = new Uint8Array(await (init.body as Blob).arrayBuffer());
    expect([...sent]).toEqual([0, 0, 0, 0, 2, 8, 9, 0, 0, 0, 0, 4, 26, 2, 8, 1]);
    expect(init.headers).toMatchObject({ Authorization: 'Bearer mst_x' });
    return new Response(joined(message, done));
  });
  vi.stubGlobal('fetch', fetched);
  const answer = await importRoster({ token: 'mst_x' }, [{ channelId: 9n }, { lines: [{ line: 1n }] }]);
  expect(answer.added).toBe(3n);
  expect(fetched).toHaveBeenCalledOnce();
});
