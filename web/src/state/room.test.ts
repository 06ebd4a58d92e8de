import { create } from '@bufbuild/protobuf';
import { beforeEach, expect, test, vi } from 'vitest';

import { Level, ListPresentResponseSchema, type ListPresentResponse } from '../api/gen/muster/v1/channel_pb.ts';
import {
  ChannelChangedSchema,
  ChannelJoinedSchema,
  ChannelLeftSchema,
  ChannelMessageSchema,
  ChannelPeopleSchema,
  ChannelSkippedSchema,
  EnteredSchema,
  OkSchema,
  SaidSchema,
  SomebodyTypingSchema,
} from '../api/gen/muster/v1/live_pb.ts';
import { FakeLive, refused, settle } from './fake.ts';
import { OpenRoom } from './room.ts';
import { Scope } from './scope.ts';

let scope: Scope;
let live: FakeLive;
let frames: (() => void)[];
let entered: Parameters<typeof create<typeof EnteredSchema>>[1];
let answerPeople: () => ListPresentResponse | Promise<ListPresentResponse>;
let say: () => unknown;

const people = (...ids: bigint[]) =>
  create(ListPresentResponseSchema, {
    people: ids.map((accountId) => ({ accountId, nickname: `p${accountId}`, level: Level.MEMBER })),
    total: BigInt(ids.length),
  });

beforeEach(() => {
  vi.useFakeTimers();
  scope = new Scope();
  frames = [];
  entered = { people: 1n, yourLevel: Level.MEMBER };
  answerPeople = () => people(7n);
  say = () => create(SaidSchema);
  live = new FakeLive((kind) => {
    if (kind === 'enter') return create(EnteredSchema, entered);
    if (kind === 'people') return answerPeople();
    return kind === 'say' ? say() : create(OkSchema);
  });
  return () => {
    scope.end();
    vi.useRealTimers();
  };
});

async function inside(): Promise<OpenRoom> {
  const room = new OpenRoom(live, 1n, scope, (act) => frames.push(act));
  live.online();
  await settle();
  return room;
}

function frame(): void {
  for (const act of frames.splice(0)) act();
}

function speak(text: string, channelId = 1n): void {
  live.push({ case: 'channelMessage', value: create(ChannelMessageSchema, { channelId, text, senderId: 9n }) });
}

function join(accountId: bigint, level = Level.VIP): void {
  const person = { accountId, nickname: `p${accountId}`, level };
  live.push({ case: 'channelJoined', value: create(ChannelJoinedSchema, { channelId: 1n, person }) });
}

function leave(accountId: bigint, why = ''): void {
  live.push({ case: 'channelLeft', value: create(ChannelLeftSchema, { channelId: 1n, accountId, why }) });
}

const texts = (room: OpenRoom) =>
  room.said.value.get().blocks.flatMap((block) => block.lines.map((line) => (line.kind === 'said' ? line.text : '')));

test('lines come once a frame, and change nothing else of the room', async () => {
  const room = await inside();
  const before = room.value.get();
  expect(before).toMatchObject({ phase: 'inside', people: 1, yourLevel: Level.MEMBER });
  let renderings = 0;
  room.said.value.subscribe(() => (renderings += 1));
  for (let i = 1; i <= 700; i++) speak(String(i));
  speak('elsewhere', 2n);
  expect(renderings).toBe(0);
  expect(frames).toHaveLength(1);
  frame();
  expect(renderings).toBe(1);
  expect(texts(room).at(-1)).toBe('700');
  expect(room.value.get()).toBe(before);
});

test('what was missed is said once, and the list of people read anew', async () => {
  const room = await inside();
  const skip = (count: bigint) =>
    live.push({ case: 'channelSkipped', value: create(ChannelSkippedSchema, { channelId: 1n, count }) });
  skip(3n);
  skip(4n);
  frame();
  skip(5n);
  frame();
  expect(room.said.value.get().blocks).toMatchObject([{ lines: [{ kind: 'skipped', count: 12 }] }]);
  answerPeople = () => people(7n, 8n);
  await vi.advanceTimersByTimeAsync(5_000);
  expect([...room.value.get().present.keys()]).toEqual([7n, 8n]);
  expect(live.calls.filter((call) => call.kind === 'people')).toHaveLength(2);
});

test('people come and go, also while their list is read', async () => {
  let answer: (page: ListPresentResponse) => void = () => {};
  answerPeople = () => new Promise((resolve) => (answer = resolve));
  const room = await inside();
  join(9n);
  join(10n);
  leave(7n);
  frame();
  answer(people(7n, 10n));
  await settle();
  expect([...room.value.get().present.keys()].sort()).toEqual([10n, 9n]);
  expect(room.value.get().people).toBe(2);
  join(9n, Level.ADMIN); // shown otherwise
  leave(10n);
  frame();
  expect([...room.value.get().present.values()]).toMatchObject([{ id: 9n, level: Level.ADMIN }]);
  expect(room.value.get().people).toBe(1);
});

test('of a large room the staff is named and the rest counted', async () => {
  const staff = [{ accountId: 2n, nickname: 'ada', level: Level.OWNER }];
  entered = { people: 900n, large: true, staff };
  const room = await inside();
  expect(live.calls.some((call) => call.kind === 'people')).toBe(false);
  expect(room.value.get()).toMatchObject({ people: 900, large: true });
  expect([...room.value.get().present.keys()]).toEqual([2n]);
  join(3n, Level.MODERATOR);
  frame();
  expect([...room.value.get().present.keys()]).toEqual([2n, 3n]);
  join(3n, Level.MEMBER); // staff no more
  frame();
  expect([...room.value.get().present.keys()]).toEqual([2n]);
  expect(room.value.get().people).toBe(900);
  const told = (fields: Parameters<typeof create<typeof ChannelPeopleSchema>>[1]) =>
    live.push({ case: 'channelPeople', value: create(ChannelPeopleSchema, { channelId: 1n, ...fields }) });
  told({ people: 270n, large: false });
  await settle();
  expect([...room.value.get().present.keys()]).toEqual([7n]); // everybody was read
  told({ people: 301n, large: true, staff });
  expect([...room.value.get().present.keys()]).toEqual([2n]);
  expect(room.value.get()).toMatchObject({ people: 301, large: true });
  expect(await room.readPeople('')).toMatchObject({ rows: [{ id: 7n }], next: '' });
});

test('a cut is said on return; who was put out does not come back unasked', async () => {
  const room = await inside();
  speak('before');
  frame();
  live.offline();
  expect(room.value.get().phase).toBe('entering');
  live.online();
  await settle();
  expect(room.value.get().phase).toBe('inside');
  expect(room.said.value.get().blocks).toMatchObject([{ lines: [{ text: 'before' }, { kind: 'away' }] }]);
  leave(7n, 'banned');
  expect(room.value.get()).toMatchObject({ phase: 'out', why: 'banned' });
  const before = live.calls.length;
  live.offline();
  live.online();
  await settle();
  expect(live.calls).toHaveLength(before);
  await room.enter();
  expect(room.value.get().phase).toBe('inside');
  expect(room.value.get().why).toBeUndefined();
});

test('going out keeps nothing, and ends what was shown', async () => {
  const room = await inside();
  speak('one');
  frame();
  room.exit();
  expect(live.calls.at(-1)?.kind).toBe('exit');
  expect(room.value.get()).toMatchObject({ phase: 'out', why: 'left' });
  expect(room.said.value.get().blocks).toEqual([]);
});

test('slow mode counts from what was said, and from what the server says', async () => {
  entered = { people: 1n, yourLevel: Level.MEMBER, slowModeMs: 10_000n };
  const room = await inside();
  await room.say('once');
  expect(room.value.get().quietUntilMs).toBe(Date.now() + 10_000);
  say = () => {
    throw refused('resource_exhausted', 'slow_mode', 4_000);
  };
  await expect(room.say('twice')).rejects.toMatchObject({ reason: 'slow_mode' });
  expect(room.value.get().quietUntilMs).toBe(Date.now() + 4_000);
  const changed = create(ChannelChangedSchema, { channelId: 1n, yourLevel: Level.MODERATOR });
  live.push({ case: 'channelChanged', value: changed });
  expect(room.value.get()).toMatchObject({ quietUntilMs: 0, slowModeMs: 0, yourLevel: Level.MODERATOR });
});

test('who writes is named until they speak or stop', async () => {
  const room = await inside();
  const write = (accountId: bigint) =>
    live.push({
      case: 'typing',
      value: create(SomebodyTypingSchema, { channelId: 1n, accountId, nickname: `p${accountId}` }),
    });
  write(8n);
  write(9n);
  expect(room.value.get().typing).toEqual(['p8', 'p9']);
  speak('said'); // by 9
  expect(room.value.get().typing).toEqual(['p8']);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(room.value.get().typing).toEqual([]);
});
