import { expect, test } from 'vitest';

import { JoinPolicy, Level } from '../../api/gen/muster/v1/channel_pb.ts';
import { pathOf, type ChannelsValue, type OneChannel } from '../../state/channels.ts';
import { rowsOf, stepFrom } from './treeRows.ts';

function channel(id: bigint, parentId: bigint, name: string): OneChannel {
  const counts = { slowModeMs: 0, rosterCount: 0, presentCount: 0 };
  const levels = { speakLevel: Level.UNSPECIFIED, yourLevel: Level.UNSPECIFIED, joinPolicy: JoinPolicy.OPEN };
  return { id, parentId, name, about: '', ...counts, ...levels };
}

// Lobby; Raid > (Left > Deep, Right); Zoo, whose inside was not read yet
const tree: ChannelsValue = {
  loaded: true,
  byId: new Map(
    [
      channel(1n, 0n, 'Lobby'),
      channel(2n, 0n, 'Raid'),
      channel(3n, 2n, 'Left'),
      channel(4n, 2n, 'Right'),
      channel(5n, 3n, 'Deep'),
      channel(6n, 0n, 'Zoo'),
    ].map((one) => [one.id, one]),
  ),
  children: new Map<bigint, bigint[]>([
    [0n, [1n, 2n, 6n]],
    [1n, []],
    [2n, [3n, 4n]],
    [3n, [5n]],
    [4n, []],
    [5n, []],
  ]),
};
const rows = rowsOf(tree, new Set([3n]));
const at = (name: string) => {
  const row = rows.find((one) => one.channel.name === name);
  if (!row) throw new Error(name);
  return row;
};
const go = (from: string, key: string) => {
  const step = stepFrom(rows, at(from), key);
  return step?.to ? step.to.channel.name : step;
};

test('the tree is a list of what can be seen', () => {
  expect(
    rows.map(({ channel, level, position, siblings, expanded }) => [channel.name, level, position, siblings, expanded]),
  ).toEqual([
    ['Lobby', 1, 1, 3, undefined],
    ['Raid', 1, 2, 3, true],
    ['Left', 2, 1, 2, false],
    ['Right', 2, 2, 2, undefined],
    ['Zoo', 1, 3, 3, false],
  ]);
  expect(pathOf(tree, 5n).map((one) => one.name)).toEqual(['Raid', 'Left', 'Deep']);
});

test('keys move, fold and open', () => {
  expect(go('Lobby', 'ArrowDown')).toBe('Raid');
  expect(go('Lobby', 'ArrowUp')).toEqual({ to: undefined });
  expect(go('Zoo', 'Home')).toBe('Lobby');
  expect(go('Lobby', 'End')).toBe('Zoo');
  expect(go('Raid', 'ArrowRight')).toBe('Left');
  expect(go('Left', 'ArrowRight')).toEqual({ fold: false });
  expect(go('Right', 'ArrowRight')).toEqual({});
  expect(go('Raid', 'ArrowLeft')).toEqual({ fold: true });
  expect(go('Left', 'ArrowLeft')).toBe('Raid');
  expect(go('Raid', 'Enter')).toEqual({ open: true });
  expect(go('Lobby', 'r')).toBe('Raid');
  expect(go('Raid', 'R')).toBe('Right');
  expect(go('Raid', 'x')).toBeUndefined();
  expect(go('Raid', 'Tab')).toBeUndefined();
});
