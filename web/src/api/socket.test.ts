import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { backoffMs, retryOfClose } from './backoff.ts';
import { ClientFrameSchema, ServerFramesSchema, type ClientFrame, type ServerFrame } from './gen/muster/v1/live_pb.ts';
import { LiveSocket, type Wire } from './socket.ts';

/** FakeWire is the server's end of a WebSocket. */
class FakeWire implements Wire {
  binaryType: BinaryType = 'blob';
  onopen: Wire['onopen'] = null;
  onmessage: Wire['onmessage'] = null;
  onclose: Wire['onclose'] = null;
  onerror: Wire['onerror'] = null;
  closed = false;
  frames: ClientFrame[] = [];

  send(data: Parameters<WebSocket['send']>[0]): void {
    this.frames.push(fromBinary(ClientFrameSchema, data as Uint8Array));
  }
  close(): void {
    this.closed = true;
  }
  opens(): void {
    this.onopen?.call(this as never, new Event('open'));
  }
  says(...bodies: { id?: bigint; body: ServerFrame['body'] }[]): void {
    const data = toBinary(ServerFramesSchema, create(ServerFramesSchema, { frames: bodies as ServerFrame[] }));
    this.onmessage?.call(this as never, { data: data.buffer } as MessageEvent);
  }
  welcomes(): void {
    this.opens();
    this.says({ id: this.frames[0]?.id ?? 0n, body: { case: 'welcome', value: { accountId: 7n } as never } });
  }
  ends(code: number): void {
    this.onclose?.call(this as never, { code } as CloseEvent);
  }
}

let wires: FakeWire[];
let socket: LiveSocket;
const at = (index: number): FakeWire => wires.at(index) ?? expect.fail('no socket was opened');

beforeEach(() => {
  vi.useFakeTimers();
  wires = [];
  socket = new LiveSocket({
    open: () => {
      wires.push(new FakeWire());
      return at(-1);
    },
    token: () => 'mst_x',
    device: 'test',
    visible: () => true,
    random: () => 0.5,
  });
});
afterEach(() => {
  socket.stop();
  vi.useRealTimers();
});

test('says hello first and is online with the welcome', () => {
  socket.start();
  expect(socket.status().phase).toBe('connecting');
  at(0).welcomes();
  expect(at(0).frames[0]?.body).toMatchObject({ case: 'hello', value: { token: 'mst_x', device: 'test' } });
  expect(socket.status()).toMatchObject({ phase: 'online', welcome: { accountId: 7n } });
});

test('answers find their requests, whatever their order; a refusal is a Failure', async () => {
  socket.start();
  at(0).welcomes();
  const first = socket.call('enter', { channelId: 1n });
  const second = socket.call('say', { channelId: 1n, text: 'x' });
  const third = socket.call('exit', {});
  const [a, b, c] = at(0)
    .frames.slice(1)
    .map((frame) => frame.id);
  at(0).says(
    { id: b ?? 0n, body: { case: 'said', value: { delivered: 3n } as never } },
    { id: a ?? 0n, body: { case: 'entered', value: { people: 9n } as never } },
    {
      id: c ?? 0n,
      body: { case: 'error', value: { code: 'resource_exhausted', reason: 'too_fast', retryAfterMs: 40n } as never },
    },
  );
  expect((await first).people).toBe(9n);
  expect((await second).delivered).toBe(3n);
  await expect(third).rejects.toMatchObject({ reason: 'too_fast', retry: 'later', retryAfterMs: 40 });
});

test('events reach the listeners, in one message or many', () => {
  const heard: string[] = [];
  socket.onEvent((event) => heard.push(event.case));
  socket.start();
  at(0).welcomes();
  at(0).says(
    { body: { case: 'groupMessage', value: { seq: 1n } as never } },
    { body: { case: 'channelPeople', value: { people: 2n } as never } },
  );
  expect(heard).toEqual(['groupMessage', 'channelPeople']);
});

test('a cut rejects what waits, and connects again', async () => {
  socket.start();
  at(0).welcomes();
  const lost = socket.call('exit', {});
  at(0).ends(1006);
  await expect(lost).rejects.toMatchObject({ reason: 'connection_lost', retry: 'later' });
  await expect(socket.call('exit', {})).rejects.toMatchObject({ reason: 'offline' });
  expect(socket.status().phase).toBe('waiting');
  vi.advanceTimersByTime(300);
  expect(wires).toHaveLength(2);
  at(1).welcomes();
  expect(socket.status().phase).toBe('online');
});

test('a server that restarts is given the time that it asked for', () => {
  socket.start();
  at(0).welcomes();
  const closed = { code: 4100, reason: 'server_restart', retry: 2, retryAfterMs: 5_000n };
  at(0).says({ body: { case: 'sessionClosed', value: closed as never } });
  at(0).ends(4100);
  vi.advanceTimersByTime(4_900);
  expect(wires).toHaveLength(1);
  vi.advanceTimersByTime(2_100);
  expect(wires).toHaveLength(2);
});

test('a session that has ended is never tried again', () => {
  socket.start();
  at(0).welcomes();
  at(0).says({ body: { case: 'sessionClosed', value: { code: 4201, reason: 'session_ended', retry: 3 } as never } });
  at(0).ends(4201);
  expect(socket.status()).toEqual({ phase: 'ended', reason: 'session_ended' });
  vi.advanceTimersByTime(600_000);
  socket.retryNow();
  expect(wires).toHaveLength(1);
});

test('a handshake without a welcome, and a connection without a sign of life, are given up', () => {
  socket.start();
  vi.advanceTimersByTime(10_001);
  expect(socket.status().phase).toBe('waiting');
  expect(at(0).closed).toBe(true);
  socket.retryNow();
  at(1).welcomes();
  vi.advanceTimersByTime(25_001);
  expect(at(1).frames.at(-1)?.body.case).toBe('background');
  vi.advanceTimersByTime(8_001);
  expect(socket.status().phase).toBe('waiting');
});

test('waits grow, bounded and with jitter; the first return is quick', () => {
  const waits = [0, 1, 2, 5, 20].map((attempt) => backoffMs(attempt, 'later', 0, () => 1));
  expect(waits).toEqual([500, 1_000, 2_000, 16_000, 30_000]);
  expect(backoffMs(3, 'later', 0, () => 0)).toBe(2_000);
  expect(backoffMs(0, 'now', 0, () => 1)).toBe(250);
  expect([4000, 4101, 4202, 1006].map(retryOfClose)).toEqual(['now', 'later', 'never', 'now']);
});
