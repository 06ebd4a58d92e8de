import { create } from '@bufbuild/protobuf';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { expect, test } from 'vitest';

import type { Clients } from '../api/clients.ts';
import {
  GroupService,
  ListMembersResponseSchema,
  Role,
  type ListMembersRequest,
} from '../api/gen/muster/v1/group_pb.ts';
import { mayAdminister, mayGiveRoles, mayTakeOut, Members } from './members.ts';
import { rowAt } from './pages.ts';

const { OWNER, ADMIN, MEMBER } = Role;

test('what a role may do is what the server lets it', () => {
  expect([OWNER, ADMIN, MEMBER].map(mayAdminister)).toEqual([true, true, false]);
  const takes = [OWNER, ADMIN, MEMBER].map((mine) =>
    [OWNER, ADMIN, MEMBER].map((role) => mayTakeOut(mine, role, false)),
  );
  expect(takes).toEqual([
    [false, true, true],
    [false, false, true],
    [false, false, false],
  ]);
  expect([mayTakeOut(OWNER, MEMBER, true), mayGiveRoles(OWNER, true)]).toEqual([false, false]);
  expect([OWNER, ADMIN, MEMBER].map((role) => mayGiveRoles(role, false))).toEqual([true, false, false]);
});

test('members are read page by page by the filter, over empty pages, and change where they stand', async () => {
  const asked: ListMembersRequest[] = [];
  const transport = createRouterTransport(({ service }) => {
    service(GroupService, {
      listMembers(request) {
        asked.push(request);
        if (request.pageToken === '') return create(ListMembersResponseSchema, { nextPageToken: 'b' });
        const members = [{ accountId: 7n, name: 'anna', role: MEMBER, subgroupId: 3n, joinedMs: 5n }];
        return create(ListMembersResponseSchema, { members });
      },
    });
  });
  const clients = { group: createClient(GroupService, transport) } as unknown as Clients;
  const members = new Members(clients, 12n);
  const read = () =>
    new Promise<void>((resolve) => {
      const end = members.pages.value.subscribe(() => {
        if (members.pages.value.get().done) resolve(end());
      });
    });
  let done = read();
  members.show({ prefix: ' AN', role: MEMBER, subgroupId: 3n });
  await done;
  expect(asked.map((r) => [r.groupId, r.pageToken, r.namePrefix, r.role, r.subgroupId])).toEqual([
    [12n, '', 'an', MEMBER, 3n],
    [12n, 'b', 'an', MEMBER, 3n],
  ]);
  const anna = { id: 7n, name: 'anna', nickname: 'anna', role: MEMBER, subgroupId: 3n, joinedMs: 5, gone: false };
  expect(rowAt(members.pages.value.get(), 0)).toEqual(anna);
  members.changed(7n, { role: ADMIN });
  members.changed(8n, { gone: true });
  expect(rowAt(members.pages.value.get(), 0)).toEqual({ ...anna, role: ADMIN });
  done = read();
  members.show({ prefix: '' });
  await done;
  expect(asked.at(-1)?.subgroupId).toBe(3n);
});
