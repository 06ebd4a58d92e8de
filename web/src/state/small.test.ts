import { expect, test } from 'vitest';

import { Drafts } from './drafts.ts';
import { tabs } from './fake.ts';
import { languageOf, Preferences } from './preferences.ts';
import { href, parse, Router } from './route.ts';
import { Scope } from './scope.ts';
import { deviceName } from './session.ts';
import { derived, Store, until } from './store.ts';
import { uuidv7 } from './uuid.ts';

test('what waits for a value goes on once it is there, or at once', async () => {
  const store = new Store(1);
  await until(store, (n) => n === 1);
  let reached = false;
  const waiting = until(store, (n) => n > 2).then(() => (reached = true));
  store.set(2);
  await Promise.resolve();
  expect(reached).toBe(false);
  store.set(3);
  await waiting;
  expect(reached).toBe(true);
});

test('a store tells of changes only, and a derived value is computed once a change', () => {
  const store = new Store(1);
  let told = 0;
  let computed = 0;
  const twice = derived(store, (n) => {
    computed += 1;
    return n * 2;
  });
  const end = twice.subscribe(() => (told += 1));
  store.set(1);
  store.set(4);
  expect([twice.get(), twice.get(), told, computed]).toEqual([8, 8, 1, 1]);
  end();
  store.set(5);
  expect(told).toBe(1);
});

test('a scope ends what was begun in it, the youngest first, and once', () => {
  const scope = new Scope();
  const ended: string[] = [];
  scope.add(() => ended.push('first'));
  scope.child().add(() => ended.push('child'));
  scope.end();
  scope.end();
  scope.add(() => ended.push('late'));
  expect(ended).toEqual(['child', 'first', 'late']);
});

test('ids are version 7, sort by time, and differ within a millisecond', () => {
  const ids = Array.from({ length: 10_000 }, () => uuidv7(1_700_000_000_000));
  expect(ids[0]).toMatch(/^018bcfe5-6800-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
});

test.each([
  ['/', { page: 'home' }],
  ['/c/12', { page: 'channel', id: 12n, tab: '' }],
  ['/c/12/roster', { page: 'channel', id: 12n, tab: 'roster' }],
  ['/g/9007199254740993', { page: 'group', id: 9007199254740993n, tab: '' }],
  ['/g/12/enrol/34', { page: 'group', id: 12n, tab: 'enrol', item: 34n }],
  ['/invitations', { page: 'invitations' }],
  ['/settings/sessions', { page: 'settings', tab: 'sessions' }],
  ['/admin', { page: 'admin', tab: '' }],
  ['/setup', { page: 'signup', setup: true }],
  ['/signup', { page: 'signup', setup: false }],
] as const)('%s is an address', (path, route) => {
  expect(parse(path)).toEqual(route);
  expect(href(route)).toBe(path);
});

test.each(['/c/', '/c/x', '/c/-1', '/c/1/a/b', '/g/1/enrol/x', '/g/1/enrol/2/3', '/nothing'])('%s is none', (path) => {
  expect(parse(path)).toEqual({ page: 'unknown' });
});

test('the router moves the address, and follows it', () => {
  const history = ['/'];
  let back = () => {};
  const router = new Router({
    path: () => history.at(-1) ?? '',
    push: (path) => history.push(path),
    replace: (path) => history.splice(-1, 1, path),
    onMove: (listener) => {
      back = () => {
        history.pop();
        listener();
      };
    },
  });
  router.go('/c/1');
  router.go('/c/1');
  router.go('/g/2', 'replace');
  expect(history).toEqual(['/', '/g/2']);
  expect(router.route.get()).toMatchObject({ page: 'group', id: 2n });
  back();
  expect(router.route.get()).toEqual({ page: 'home' });
});

test('preferences hold for all tabs; what another version wrote does no harm', () => {
  const [a, b] = tabs();
  const mine = new Preferences(a, ['de-DE', 'zh-Hant-TW', 'en']);
  const theirs = new Preferences(b, ['en']);
  expect(mine.value.get()).toEqual({ language: 'zh', theme: 'system' });
  mine.set({ theme: 'dark' });
  expect(theirs.value.get().theme).toBe('dark');
  a.write('muster.preferences', '{"language":"klingon","theme":3');
  expect(new Preferences(b, ['fr']).value.get()).toEqual({ language: 'en', theme: 'system' });
  expect(languageOf([])).toBe('en');
});

test('drafts are of one account and one place', () => {
  const [kept] = tabs();
  new Drafts(kept, 1n).write('g2', 'half a');
  expect(new Drafts(kept, 1n).read('g2')).toBe('half a');
  expect(new Drafts(kept, 2n).read('g2')).toBe('');
  new Drafts(kept, 1n).write('g2', '');
  expect(kept.keys('muster.')).toEqual([]);
});

test('a browser has a name', () => {
  expect(deviceName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36')).toBe(
    'Chrome, Linux',
  );
  expect(deviceName('Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1')).toBe(
    'Safari, iOS',
  );
  expect(deviceName('curl')).toBe('Web');
});
