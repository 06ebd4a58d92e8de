import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Clients } from '../api/clients.ts';
import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import {
  type Enrolment,
  EnrolmentSchema,
  EnrolmentService,
  EnrolPolicy,
  type PreviewEnrolmentRequest,
  type StartEnrolmentRequest,
} from '../api/gen/muster/v1/enrolment_pb.ts';
import { Drafts } from './drafts.ts';
import { EnrolmentPlan, planFrom } from './enrolmentPlan.ts';
import { Enrolments, EnrolmentState, moving } from './enrolments.ts';
import { FakeLive, tabs } from './fake.ts';
import { Scope } from './scope.ts';

// What is prepared, started and followed, against a server of a few lines over Connect's own transport.

let scope: Scope;
let drafts: Drafts;
let started: StartEnrolmentRequest[];
let previewed: PreviewEnrolmentRequest[];
let listed: Enrolment[];
let watched: Enrolment[][];
let breaks: number;
let clients: Clients;

function job(id: bigint, state: EnrolmentState, added = 0n): Enrolment {
  const counts = { added, asked: 2n, skippedRefused: 1n };
  return create(EnrolmentSchema, { id, groupId: 7n, channelId: 3n, state, total: 10n, counts, createdMs: id });
}

beforeEach(() => {
  vi.useFakeTimers();
  scope = new Scope();
  drafts = new Drafts(tabs()[0], 1n);
  [started, previewed, listed, watched, breaks] = [[], [], [], [], 0];
  const transport = createRouterTransport(({ service }) => {
    service(EnrolmentService, {
      previewEnrolment(request) {
        previewed.push(request);
        return { levels: [{ level: Level.GUEST, people: 5n, would: { asked: 4n } }], total: 5n, groupLeft: 2n };
      },
      startEnrolment(request) {
        started.push(request);
        if (breaks-- > 0) throw new ConnectError('the connection broke', Code.Unavailable);
        return { enrolment: job(1n, EnrolmentState.RUNNING) };
      },
      listEnrolments: () => ({ enrolments: listed }),
      cancelEnrolment: ({ enrolmentId }) => ({ enrolment: job(enrolmentId, EnrolmentState.CANCELLED) }),
      async *watchEnrolment() {
        for (const enrolment of watched.shift() ?? []) yield { enrolment };
        if (watched.length > 0) throw new ConnectError('the connection broke', Code.Unavailable);
      },
    });
  });
  clients = { enrolment: createClient(EnrolmentService, transport) } as Clients;
});

afterEach(() => {
  scope.end();
  vi.useRealTimers();
});

test('a plan is kept over a reload, and its preview follows what is chosen', async () => {
  planFrom(drafts, 7n, 3n);
  const plan = new EnrolmentPlan(clients, drafts, 7n, scope);
  await vi.advanceTimersByTimeAsync(0);
  plan.policy(Level.GUEST, EnrolPolicy.SKIP);
  plan.change({ text: 'Come' });
  expect(plan.value.get()).toMatchObject({ stale: true });
  await vi.advanceTimersByTimeAsync(1000);
  expect(plan.value.get()).toMatchObject({ stale: false, preview: { total: 5, groupLeft: 2 } });
  expect(previewed.map((p) => p.policies.find((l) => l.level === Level.GUEST)?.policy)).toEqual([
    EnrolPolicy.ASK,
    EnrolPolicy.SKIP,
  ]);
  const again = new EnrolmentPlan(clients, drafts, 7n, scope).value.get().plan;
  expect(again).toMatchObject({ channelId: 3n, text: 'Come' });
  expect(again.policies[Level.GUEST]).toBe(EnrolPolicy.SKIP);
});

test('a start whose answer was lost is tried again under the same key, also after a reload', async () => {
  planFrom(drafts, 7n, 3n);
  breaks = 1;
  await expect(new EnrolmentPlan(clients, drafts, 7n, scope).start()).rejects.toThrow();
  const enrolment = await new EnrolmentPlan(clients, drafts, 7n, scope).start();
  expect(enrolment?.id).toBe(1n);
  expect(started).toHaveLength(2);
  expect(started[0]?.idempotencyKey).toMatch(/^[0-9a-f-]{36}$/);
  expect(started[1]?.idempotencyKey).toBe(started[0]?.idempotencyKey);
});

test('another plan, and the next enrolment, have keys of their own', async () => {
  planFrom(drafts, 7n, 3n);
  breaks = 1;
  const plan = new EnrolmentPlan(clients, drafts, 7n, scope);
  await expect(plan.start()).rejects.toThrow();
  plan.change({ text: 'Something else' });
  await plan.start();
  planFrom(drafts, 7n, 3n);
  await new EnrolmentPlan(clients, drafts, 7n, scope).start();
  expect(new Set(started.map((s) => s.idempotencyKey)).size).toBe(3);
});

test('what an older client left in a plan does no harm', () => {
  for (const text of ['{', 'null', '{"channelId":"x"}', '[]']) {
    drafts.write('enrol7', text);
    expect(new EnrolmentPlan(clients, drafts, 7n, scope).value.get().plan.channelId).toBe(0n);
  }
});

test('enrolments move by the socket, and one that is watched through a broken stream', async () => {
  listed = [job(2n, EnrolmentState.RUNNING), job(1n, EnrolmentState.DONE)];
  watched = [[job(2n, EnrolmentState.RUNNING, 4n)], [job(2n, EnrolmentState.DONE, 7n)]];
  const live = new FakeLive(() => undefined);
  const enrolments = new Enrolments(clients, live, 7n, scope);
  await vi.advanceTimersByTimeAsync(0);
  expect(enrolments.value.get().jobs.map((j) => j.id)).toEqual([2n, 1n]);
  enrolments.watch(2n, scope);
  await vi.advanceTimersByTimeAsync(0);
  const at = (id: bigint) => enrolments.value.get().jobs.find((j) => j.id === id);
  expect(at(2n)).toMatchObject({ handled: 7, counts: { added: 4, asked: 2 } });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(at(2n)).toMatchObject({ state: EnrolmentState.DONE, handled: 10 });
  live.push({ case: 'enrolmentProgress', value: job(3n, EnrolmentState.RUNNING) });
  live.push({ case: 'enrolmentProgress', value: { ...job(4n, EnrolmentState.RUNNING), groupId: 8n } });
  expect(enrolments.value.get().jobs.map((j) => j.id)).toEqual([3n, 2n, 1n]);
  await enrolments.cancel(3n);
  expect(enrolments.value.get().jobs.map(moving)).toEqual([false, false, false]);
});
