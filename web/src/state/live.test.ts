import { create } from '@bufbuild/protobuf';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { beforeEach, expect, test } from 'vitest';

import type { Clients } from '../api/clients.ts';
import { AccountService } from '../api/gen/muster/v1/account_pb.ts';
import { AdminService } from '../api/gen/muster/v1/admin_pb.ts';
import { ChannelService, Level } from '../api/gen/muster/v1/channel_pb.ts';
import { Choice, EnrolmentService, InvitationSchema } from '../api/gen/muster/v1/enrolment_pb.ts';
import { GroupMessageSchema, GroupService, MyGroupSchema, Role, type MyGroup } from '../api/gen/muster/v1/group_pb.ts';
import {
  EnteredSchema,
  InvitationClosedSchema,
  MemberAddedSchema,
  MemberRemovedSchema,
  OkSchema,
  ReadMovedSchema,
} from '../api/gen/muster/v1/live_pb.ts';
import { Activity } from './activity.ts';
import { Channels } from './channels.ts';
import { FakeLive, settle, tabs } from './fake.ts';
import { Groups, unreadOf } from './groups.ts';
import { Invitations } from './invitations.ts';
import { Scope } from './scope.ts';
import { Session } from './session.ts';

// Groups, channels, rooms, invitations and the session against a server of a few lines, over Connect's own transport.

const tree: Record<string, [bigint, string][]> = {
  '0': [
    [1n, 'Lobby'],
    [2n, 'Raid'],
  ],
  '2': [[3n, 'Left wing']],
};
let mine: MyGroup[];
let invited: bigint[];
let signedIn: boolean;
let scope: Scope;
let live: FakeLive;
let clients: Clients;

function myGroup(id: bigint, head: number, readSeq: number): MyGroup {
  const group = { id, name: `group ${id}`, head: BigInt(head), memberCount: 2n };
  return create(MyGroupSchema, { group, role: Role.MEMBER, readSeq: BigInt(readSeq) });
}

beforeEach(() => {
  mine = [myGroup(1n, 10, 4), myGroup(2n, 3, 3)];
  invited = [8n, 9n];
  signedIn = false;
  scope = new Scope();
  live = new FakeLive((kind) =>
    kind === 'enter' ? create(EnteredSchema, { people: 1n, yourLevel: Level.MEMBER }) : create(OkSchema),
  );
  const transport = createRouterTransport(({ service }) => {
    service(GroupService, { listMyGroups: () => ({ groups: mine }) });
    service(ChannelService, {
      listChannels: ({ parentId }) => ({
        channels: (tree[String(parentId)] ?? []).map(([id, name]) => ({ id, parentId, name })),
      }),
      listPresent: () => ({ people: [{ accountId: 7n, nickname: 'me', level: Level.MEMBER }], total: 1n }),
    });
    service(EnrolmentService, {
      listMyInvitations: () => ({ invitations: invited.map((id) => ({ id, createdMs: id })) }),
      answerInvitation: ({ choice }) => ({ choice }),
    });
    service(AccountService, {
      login: () => ({ token: 'mst_token' }),
      getAccount: () => {
        if (!signedIn) throw new Error('not signed in');
        return { account: { id: 7n, name: 'me' } };
      },
    });
  });
  clients = {
    account: createClient(AccountService, transport),
    channel: createClient(ChannelService, transport),
    group: createClient(GroupService, transport),
    enrolment: createClient(EnrolmentService, transport),
    admin: createClient(AdminService, transport),
  };
  return () => scope.end();
});

async function rest(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

test('groups: the list, pushes and reading on', async () => {
  const groups = new Groups(clients, live, new Activity(tabs()[0], 1n, scope), scope);
  live.online();
  await rest();
  const unread = () => [...groups.value.get().byId.values()].map(unreadOf);
  expect(unread()).toEqual([6, 0]);
  live.push({ case: 'groupMessage', value: create(GroupMessageSchema, { groupId: 2n, seq: 4n }) });
  expect(unread()).toEqual([6, 1]);
  groups.markRead(2n, 4);
  groups.markRead(2n, 3); // never back
  expect(unread()).toEqual([6, 0]);
  expect(live.calls.filter((call) => call.kind === 'read')).toHaveLength(1);
  live.push({ case: 'readMoved', value: create(ReadMovedSchema, { groupId: 1n, readSeq: 9n }) });
  expect(unread()).toEqual([1, 0]);
});

test('groups: what is pushed while the list is read is not undone by it', async () => {
  const groups = new Groups(clients, live, new Activity(tabs()[0], 1n, scope), scope);
  const removed: string[] = [];
  groups.onRemoved((id, name, why) => removed.push(`${id} ${name} ${why}`));
  live.online();
  live.push({ case: 'memberAdded', value: create(MemberAddedSchema, { mine: myGroup(5n, 2, 0) }) });
  await rest();
  expect([...groups.value.get().byId.keys()]).toEqual([1n, 2n, 5n]);
  const again = groups.load();
  live.push({ case: 'memberRemoved', value: create(MemberRemovedSchema, { groupId: 1n, why: 'removed' }) });
  await again;
  expect([...groups.value.get().byId.keys()]).toEqual([2n]); // 5 is not in the server's list any more
  expect(removed).toEqual(['1 group 1 removed']);
});

test('channels: the tree is read to its leaves', async () => {
  const channels = new Channels(clients, live, scope, () => true);
  live.online();
  await rest();
  const { loaded, byId, children } = channels.value.get();
  expect(loaded).toBe(true);
  expect([...byId.values()].map((channel) => channel.name)).toEqual(['Lobby', 'Raid', 'Left wing']);
  expect(children.get(0n)).toEqual([1n, 2n]);
  expect(children.get(2n)).toEqual([3n]);
});

test('invitations: the newest first, new ones once, answered ones gone', async () => {
  const invitations = new Invitations(clients, live, scope);
  live.online();
  await rest();
  const ids = () => invitations.value.get().open.map((invitation) => invitation.id);
  expect(ids()).toEqual([9n, 8n]);
  for (let i = 0; i < 2; i++)
    live.push({ case: 'invitation', value: create(InvitationSchema, { id: 10n, createdMs: 10n }) });
  expect(ids()).toEqual([10n, 9n, 8n]);
  await invitations.answer(9n, Choice.ACCEPT);
  expect(ids()).toEqual([10n, 8n]);
});

test('invitations: an arrival is told once, and what became of each is known', async () => {
  const invitations = new Invitations(clients, live, scope);
  const arrived: bigint[] = [];
  invitations.onArrival((invitation) => arrived.push(invitation.id));
  live.online();
  await rest();
  for (let i = 0; i < 2; i++)
    live.push({ case: 'invitation', value: create(InvitationSchema, { id: 10n, createdMs: 10n }) });
  expect(arrived).toEqual([10n]);
  const answered = invitations.answer(9n, Choice.ACCEPT);
  live.push({ case: 'invitationClosed', value: create(InvitationClosedSchema, { invitationId: 9n }) });
  await answered;
  await invitations.answer(10n, Choice.DECLINE);
  live.push({ case: 'invitationClosed', value: create(InvitationClosedSchema, { invitationId: 8n }) });
  const { open, past } = invitations.value.get();
  expect(open).toEqual([]);
  expect(past.map((one) => [one.invitation.id, one.outcome])).toEqual([
    [8n, 'closed'],
    [10n, 'declined'],
    [9n, 'accepted'],
  ]);
});

test('a session whose cookie the browser did not take lives by its token, as long as the page', async () => {
  const credentials = { token: '' };
  const account = {
    ...clients.account,
    getAccount: async () => {
      signedIn = credentials.token === 'mst_token';
      return clients.account.getAccount({});
    },
  } as Clients['account'];
  const session = new Session({ ...clients, account }, credentials, 'test');
  await session.signIn('me', 'secret');
  expect(session.value.get()).toMatchObject({ phase: 'in', kept: false, me: { id: 7n, name: 'me' } });
  session.ended('session_ended');
  expect(credentials.token).toBe('');
  expect(session.value.get()).toEqual({ phase: 'out', ended: 'session_ended' });
  await settle();
});
