import { create } from '@bufbuild/protobuf';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Clients } from '../api/clients.ts';
import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import { GroupService, type Subgroup, type SetLevelMapRequest } from '../api/gen/muster/v1/group_pb.ts';
import { GroupChangedSchema } from '../api/gen/muster/v1/live_pb.ts';
import { FakeLive } from './fake.ts';
import { Scope } from './scope.ts';
import { levelMapOf, sameLevelMap, Subgroups } from './subgroups.ts';

type Stored = Pick<Subgroup, 'id' | 'name' | 'memberCount' | 'levels' | 'isDefault'>;

const stored: Stored[] = [];
let reads = 0;
let maps: SetLevelMapRequest[] = [];

const transport = createRouterTransport(({ service }) => {
  service(GroupService, {
    getGroup() {
      reads += 1;
      return { subgroups: stored };
    },
    createSubgroup({ name }) {
      stored.push({ id: BigInt(stored.length + 1), name, memberCount: 0n, levels: [], isDefault: false });
      return {};
    },
    setLevelMap(request) {
      maps.push(request);
      for (const one of stored) {
        one.levels = request.mappings.filter((m) => m.subgroupId === one.id).map((m) => m.level);
        one.isDefault = request.defaultSubgroupId === one.id;
      }
      return { subgroups: stored };
    },
  });
});
const clients = { group: createClient(GroupService, transport) } as unknown as Clients;

beforeEach(() => {
  vi.useFakeTimers();
  stored.length = 0;
  reads = 0;
  maps = [];
});
afterEach(() => vi.useRealTimers());

test('what is made is there at once, and the level map goes there and back', async () => {
  const scope = new Scope();
  const subgroups = new Subgroups(clients, new FakeLive(() => ({})), 5n, scope);
  await subgroups.create('north');
  await subgroups.create('south');
  expect(subgroups.value.get().all.map(({ name }) => name)).toEqual(['north', 'south']);
  const map = {
    levels: new Map([
      [Level.VIP, 2n],
      [Level.GUEST, 1n],
    ]),
    fallback: 1n,
  };
  expect(sameLevelMap(levelMapOf(subgroups.value.get().all), map)).toBe(false);
  await subgroups.setLevelMap(map);
  expect(maps[0]?.groupId).toBe(5n);
  expect(sameLevelMap(levelMapOf(subgroups.value.get().all), map)).toBe(true);
  scope.end();
});

test('changes of the group that come fast are read once, and none after the end', async () => {
  const scope = new Scope();
  const live = new FakeLive(() => ({}));
  const subgroups = new Subgroups(clients, live, 5n, scope);
  await subgroups.load();
  const before = reads;
  const changed = (groupId: bigint) =>
    live.push({ case: 'groupChanged', value: create(GroupChangedSchema, { groupId }) });
  for (let i = 0; i < 50; i++) changed(5n);
  changed(6n);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(reads).toBe(before + 1);
  changed(5n);
  scope.end();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(reads).toBe(before + 1);
});
