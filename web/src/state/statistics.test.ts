import { createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Clients } from '../api/clients.ts';
import { AdminService } from '../api/gen/muster/v1/admin_pb.ts';
import { Scope } from './scope.ts';
import { Statistics } from './statistics.ts';

// Statistics against a server that answers what the test says.

let answer: { startedMs: bigint; messagesSent: bigint; deliveries: bigint; connections: bigint };
let asked: number;
let down: boolean;
let seen: boolean;
let scope: Scope;
let statistics: Statistics;

beforeEach(() => {
  vi.useFakeTimers();
  answer = { startedMs: 1n, messagesSent: 100n, deliveries: 1_000n, connections: 5n };
  asked = 0;
  down = false;
  seen = true;
  scope = new Scope();
  const transport = createRouterTransport(({ service }) => {
    service(AdminService, {
      getStatistics: () => {
        asked++;
        if (down) throw new Error('down');
        return answer;
      },
    });
  });
  const clients = { admin: createClient(AdminService, transport) } as Clients;
  statistics = new Statistics(clients, scope, () => seen);
});

afterEach(() => {
  scope.end();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test('counts become rates a second, from the second answer on', async () => {
  await pass(0);
  expect(statistics.value.get()).toMatchObject({ samples: [], now: { messagesSent: 100n } });
  answer = { ...answer, messagesSent: 120n, deliveries: 5_000n, connections: 7n };
  await pass(2_000);
  expect(statistics.value.get().samples).toMatchObject([{ sent: 10, delivered: 2_000, connections: 7 }]);
});

test('a server that was started anew begins the line anew', async () => {
  await pass(4_000);
  expect(statistics.value.get().samples).toHaveLength(2);
  answer = { ...answer, startedMs: 2n, messagesSent: 0n, deliveries: 0n };
  await pass(2_000);
  expect(statistics.value.get().samples).toEqual([]);
});

test('a failure keeps what was known, and the next answer takes it away', async () => {
  await pass(2_000);
  down = true;
  await pass(2_000);
  expect(statistics.value.get()).toMatchObject({ failure: { code: 'internal' }, now: { messagesSent: 100n } });
  down = false;
  await pass(2_000);
  expect(statistics.value.get().failure).toBeUndefined();
});

test('two minutes are kept, nothing is asked behind a hidden page, nor after the end', async () => {
  await pass(300_000);
  expect(statistics.value.get().samples).toHaveLength(60);
  const before = asked;
  seen = false;
  await pass(20_000);
  expect(asked).toBe(before);
  seen = true;
  scope.end();
  await pass(20_000);
  expect(asked).toBe(before);
});
