import type { Page } from '@playwright/test';
import { composer } from '../harness/acts.ts';
import { expect, test } from '../harness/fixtures.ts';
import { Live } from '../harness/live.ts';
import { traced, type Traced } from './trace.ts';

// A room at 500 messages a second beside what the machine itself can do: a page that shows next to nothing but changes at
// every frame, once while nothing else happens, and once while as much is said into a room that no browser looks at. What
// is measured comes out as one line of JSON.

const perSecond = 500;
const ms = Number(process.env['BENCH_SECONDS'] ?? 6) * 1000;
/** So many lines one person says before another one does. */
const turn = 3;

/** Crowd says things in a room, perSecond of them, until it is stopped. */
class Crowd {
  #stop = new AbortController();
  #done: Promise<number>;

  constructor(speakers: Live[], channelId: string) {
    this.#done = this.#talk(speakers, channelId);
  }

  /** stop ends the talk, and tells how many messages a second there were. */
  stop(): Promise<number> {
    this.#stop.abort();
    return this.#done;
  }

  async #talk(speakers: Live[], channelId: string): Promise<number> {
    const began = performance.now();
    let said = 0;
    while (!this.#stop.signal.aborted) {
      for (; said < ((performance.now() - began) * perSecond) / 1000; said++) {
        const text = `shout ${said}, as loud as anybody can`;
        const speaker = speakers[Math.floor(said / turn) % speakers.length];
        void speaker?.ask({ say: { channelId, clientMessageId: `m${said}`, text } });
      }
      await new Promise((resume) => setTimeout(resume, 10));
    }
    return (said * 1000) / (performance.now() - began);
  }
}

/** animate changes a small thing at every frame, on a page that has nothing else. */
async function animate(page: Page): Promise<void> {
  await page.setContent('<p style="width: 20px; height: 20px">.</p>');
  await page.evaluate(() => {
    const p = document.querySelector('p');
    let frames = 0;
    const next = () => {
      frames += 1;
      if (p) p.style.background = frames % 2 === 0 ? 'black' : 'white';
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
}

test('frames of a room at 500 messages a second', async ({ browser, server, open, t }) => {
  const people = await server.people('anna', 'cleo', 'dan', 'ben');
  const [anna, , , ben] = people;
  if (!anna || !ben) throw new Error('people');
  const channelId = await anna.channel('Stadium');
  const speakers = await Promise.all(people.slice(0, 3).map((person) => Live.connect(person)));
  for (const speaker of speakers) await speaker.ask({ enter: { channelId } });

  const page = await open(ben, { path: '/nowhere' });
  const measure = () => traced(browser, page, () => page.waitForTimeout(ms));
  await page.goto('about:blank');
  await animate(page);
  const nothing = await measure();

  await page.goto(`${server.url}/c/${channelId}`);
  await expect(composer(page, t, 'Stadium', 'channel')).toBeEditable();
  const devtools = await page.context().newCDPSession(page);
  const heap = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    return (await devtools.send('Runtime.getHeapUsage')).usedSize / 1e6;
  };
  const nodes = async () => (await devtools.send('Memory.getDOMCounters')).nodes;
  const before = { heapMB: await heap(), nodes: await nodes() };
  let crowd = new Crowd(speakers, channelId);
  await page.waitForTimeout(2_000); // until the page is full
  const room = await measure();
  const messages = await crowd.stop();
  const after = { heapMB: await heap(), nodes: await nodes() };

  await page.goto('about:blank');
  crowd = new Crowd(speakers, channelId);
  await animate(page);
  const besideTalk = await measure();
  await crowd.stop();
  for (const speaker of speakers) speaker.close();

  const ratio = { toNothing: room.drawn / nothing.drawn, toNothingBesideTalk: room.drawn / besideTalk.drawn };
  const figures = { messagesPerSecond: messages, room, nothing, nothingBesideTalk: besideTalk, ratio, before, after };
  process.stdout.write(`web/frames: ${JSON.stringify(figures, rounded)}\n`);
  expect(room.drawn).toBeGreaterThan(0);
  expect(messages).toBeGreaterThan(0);
});

function rounded(_: string, value: Traced | number): Traced | number {
  return typeof value === 'number' ? Number(value.toFixed(2)) : value;
}
