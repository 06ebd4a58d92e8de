import { expect, test } from 'vitest';

import { ServerRole } from '../api/gen/muster/v1/account_pb.ts';
import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import { tabs } from './fake.ts';
import { Folded } from './folded.ts';
import { administers, grantable, keepsOrder, mayDelete, mayRemove, standingOf } from './standing.ts';

const as = (level: Level, role = ServerRole.USER) => standingOf(level, role);

test('nobody grants or takes what they do not outrank', () => {
  const { OWNER, ADMIN, MODERATOR, MEMBER, VIP, GUEST, UNSPECIFIED } = Level;
  expect(grantable(as(OWNER), ADMIN, false)).toEqual([OWNER, MODERATOR, MEMBER, VIP, GUEST]);
  expect(grantable(as(OWNER), OWNER, false)).toEqual([]); // owners do not outrank one another
  expect(grantable(as(ADMIN), MEMBER, false)).toEqual([MODERATOR, VIP, GUEST]);
  expect(grantable(as(ADMIN), UNSPECIFIED, false)).toEqual([MODERATOR, MEMBER, VIP, GUEST]);
  expect(grantable(as(ADMIN), ADMIN, false)).toEqual([]);
  expect(grantable(as(MODERATOR), GUEST, false)).toEqual([]);
  expect(grantable(as(MODERATOR), MODERATOR, true)).toEqual([MEMBER, VIP, GUEST]); // everybody may step down
  expect(grantable(as(UNSPECIFIED), UNSPECIFIED, true)).toEqual([]);
  expect(grantable(as(GUEST, ServerRole.ADMIN), OWNER, false)).toEqual([ADMIN, MODERATOR, MEMBER, VIP, GUEST]);
  expect(mayRemove(as(MODERATOR), MEMBER, false)).toBe(true);
  expect(mayRemove(as(MODERATOR), MODERATOR, false)).toBe(false);
  expect(mayRemove(as(MEMBER), GUEST, false)).toBe(false);
  expect(mayRemove(as(OWNER), OWNER, true)).toBe(false);
  expect([OWNER, ADMIN, MODERATOR].map((level) => administers(as(level)))).toEqual([true, true, false]);
  expect([MODERATOR, MEMBER].map((level) => keepsOrder(as(level)))).toEqual([true, false]);
  expect([OWNER, ADMIN].map((level) => mayDelete(as(level)))).toEqual([true, false]);
});

test('what is folded stays so over a reload', () => {
  const [kept] = tabs();
  new Folded(kept, 7n).fold(12n, true);
  const again = new Folded(kept, 7n);
  expect([...again.value.get()]).toEqual([12n]);
  expect([...new Folded(kept, 8n).value.get()]).toEqual([]);
  again.fold(12n, false);
  expect([...new Folded(kept, 7n).value.get()]).toEqual([]);
});
