import type { Page } from '@playwright/test';
import { composer, history } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import { Live } from '../harness/live.ts';

// Figures, not verdicts: what a machine with more to do measures is no failure. A test fails here when nothing was measured.

/** print writes one figure for the reader of make bench. */
function print(name: string, figures: Record<string, number>): void {
  const text = Object.entries(figures).map(([unit, value]) => `${Number(value.toFixed(1))} ${unit}`);
  process.stdout.write(`web/${name}: ${text.join(', ')}\n`);
}

/** frames counts the frames that a page draws in a time, and the longest pause between two. */
function frames(page: Page, ms: number) {
  return page.evaluate(
    (ms) =>
      new Promise<{ perSecond: number; longest: number; p99: number }>((found) => {
        const gaps: number[] = [];
        const begin = performance.now();
        let last = begin;
        const next = (now: number) => {
          gaps.push(now - last);
          last = now;
          if (now - begin < ms) {
            requestAnimationFrame(next);
            return;
          }
          gaps.sort((a, b) => a - b);
          found({
            perSecond: (gaps.length * 1000) / (now - begin),
            longest: gaps.at(-1) ?? 0,
            p99: gaps[Math.floor(gaps.length * 0.99)] ?? 0,
          });
        };
        requestAnimationFrame(next);
      }),
    ms,
  );
}

test('interactive with the CPU slowed 4 times', async ({ server, open, t }) => {
  const anna = await server.person('anna');
  const group = await anna.group('Start');
  const page = await open(anna, { path: '/nowhere' });
  await page.addInitScript(markInteractive);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  const rounds = Number(process.env['BENCH_STARTS'] ?? 7);
  const found: Record<string, number[]> = { 'empty cache': [], cached: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, all] of Object.entries(found)) {
      await devtools.send('Network.setCacheDisabled', { cacheDisabled: name !== 'cached' });
      await page.goto(`/g/${group}`, { waitUntil: 'commit' });
      await composer(page, t, 'Start').fill('x');
      all.push(await page.evaluate(() => performance.getEntriesByName('interactive')[0]?.startTime ?? Number.NaN));
    }
  }
  for (const [name, all] of Object.entries(found)) {
    all.sort((a, b) => a - b);
    expect(all.every((ms) => ms > 0)).toBe(true);
    const at = (index: number) => all.at(index) ?? 0;
    print(`interactive/${name}`, { 'ms median': at(all.length >> 1), 'ms least': at(0), 'ms most': at(-1) });
  }
});

/**
 * markInteractive runs in the page. It marks when one can write: the field is there, its frame is drawn, and the page has
 * taken what waited. The page tells by itself, because looking from outside takes the slowed page as long again.
 */
function markInteractive(): void {
  const watch = new MutationObserver(() => {
    const field = document.querySelector<HTMLTextAreaElement>('main textarea');
    if (!field || field.readOnly) return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => performance.mark('interactive')));
  });
  watch.observe(document, { childList: true, subtree: true, attributeFilter: ['readonly'] });
}

test('a channel at 500 messages a second', async ({ server, open, t }) => {
  const [anna, ben] = await server.people('anna', 'ben');
  if (!anna || !ben) throw new Error('people');
  const channelId = await anna.channel('Stadium');
  const page = await open(ben, { path: `/c/${channelId}` });
  await expect(composer(page, t, 'Stadium', 'channel')).toBeEditable();
  const devtools = await page.context().newCDPSession(page);
  const heap = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    return (await devtools.send('Runtime.getHeapUsage')).usedSize / 1e6;
  };
  const live = await Live.connect(anna);
  await live.ask({ enter: { channelId } });
  let said = 0;
  const stop = new AbortController();
  const talking = (async () => {
    const began = Date.now();
    while (!stop.signal.aborted) {
      for (; said < (Date.now() - began) / 2; said++) {
        void live.ask({
          say: { channelId, clientMessageId: `m${said}`, text: `shout ${said}, as loud as anybody can` },
        });
      }
      await new Promise((resume) => setTimeout(resume, 10));
    }
    return (said * 1000) / (Date.now() - began);
  })();
  const memory = [await heap()];
  const seconds = Number(process.env['BENCH_SECONDS'] ?? 60);
  for (let third = 0; third < 3; third++) {
    const { perSecond, longest, p99 } = await frames(page, (seconds * 1000) / 3);
    memory.push(await heap());
    print(`channel at 500/s, third ${third + 1}`, {
      'frames/s': perSecond,
      'ms p99 frame': p99,
      'ms longest frame': longest,
    });
  }
  stop.abort();
  print('channel at 500/s', {
    'messages/s': await talking,
    'MB before': memory[0] ?? 0,
    'MB after': memory.at(-1) ?? 0,
  });
  expect(said).toBeGreaterThan(0);
  live.close();
});

test('a history of 100,000 messages', async ({ server, open, t }) => {
  const anna = await server.person('anna');
  const group = await anna.group('Archive');
  const live = await Live.connect(anna);
  const began = Date.now();
  await live.fill(group, 100_000);
  print('history/fill', { 'messages/s': 100_000 / ((Date.now() - began) / 1000) });
  await anna.call('GroupService/MarkRead', { groupId: group, seq: '100000' });
  const page = await open(anna, { path: `/g/${group}` });
  const log = history(page, t);
  await expect(log).toContainText('message 100000');
  const scrolling = log.evaluate(async (list) => {
    const end = performance.now() + 10_000;
    while (performance.now() < end) {
      list.scrollTop -= 120;
      await new Promise((drawn) => requestAnimationFrame(drawn));
    }
  });
  const { perSecond, longest } = await frames(page, 10_000);
  await scrolling;
  const text = (await log.locator('article p[dir=auto]').first().textContent()) ?? '';
  const reached = 100_000 - Number(/\d+/.exec(text)?.[0] ?? 0);
  print('history/scroll', { 'frames/s': perSecond, 'ms longest frame': longest, 'messages in 10 s': reached });
  expect(reached).toBeGreaterThan(0);
  live.close();
});

test('a roster of a million', async ({ own, open }) => {
  const people = Number(process.env['BENCH_ROSTER'] ?? 1_000_000);
  const server = await own();
  const owner = await server.owner();
  const channel = await owner.channel('Arena');
  const began = Date.now();
  await server.roster(
    channel,
    Array.from({ length: people }, (_, i) => `fan${i},Fan ${i},member`),
  );
  print('roster/import', { 'people/s': people / ((Date.now() - began) / 1000) });
  const page = await open(owner, { path: '/' });
  let bytes = 0;
  page.on(
    'response',
    (answer) =>
      void answer.body().then(
        (body) => (bytes += body.length),
        () => undefined,
      ),
  );
  const opened = Date.now();
  await page.goto(`/c/${channel}/roster`);
  await expect(page.getByText('Fan 0', { exact: true }).first()).toBeVisible();
  print('roster/open', { ms: Date.now() - opened, 'kB received': bytes / 1000 });
});
