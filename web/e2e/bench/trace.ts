import type { Browser, Page } from '@playwright/test';

/** What a page did while the browser's own trace ran. Times without a unit are ms of a processor in each second. */
export interface Traced {
  /** Frames that the page's compositor drew, and frames that were seen on the screen, in a second. */
  drawn: number;
  presented: number;
  /** Frames that were given up, in a second. */
  dropped: number;
  /** Between two drawn frames, in ms. */
  gapP50: number;
  gapP99: number;
  gapLongest: number;
  script: number;
  style: number;
  layout: number;
  prePaint: number;
  paint: number;
  layerize: number;
  commit: number;
  /** All of the main thread's tasks; those that took more than 50 ms, altogether. */
  mainThread: number;
  longTasks: number;
  /** Other threads of the page, that turn what was painted into pixels. */
  raster: number;
  /** How often in a drawn frame. */
  layoutsPerFrame: number;
  rastersPerFrame: number;
}

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  tdur?: number;
  args?: { frame_reporter?: { state?: string; frame_sequence?: number } };
}

// As few as tell what is asked: each event costs the page time.
const categories = [
  'devtools.timeline',
  'disabled-by-default-devtools.timeline',
  'disabled-by-default-devtools.timeline.frame',
];

/** What the parts of a frame are called in a trace; a part inside another one is counted once. */
const parts = {
  script: ['FunctionCall', 'EvaluateScript', 'FireAnimationFrame', 'TimerFire', 'RunMicrotasks', 'MajorGC', 'MinorGC'],
  style: ['UpdateLayoutTree'],
  layout: ['Layout'],
  prePaint: ['PrePaint'],
  paint: ['Paint'],
  layerize: ['Layerize'],
  commit: ['Commit'],
} as const;

/** traced records what a page does during an act. */
export async function traced(browser: Browser, page: Page, act: () => Promise<void>): Promise<Traced> {
  await browser.startTracing(page, { categories });
  await act();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString('utf8')) as { traceEvents: TraceEvent[] };
  return summed(traceEvents);
}

function summed(events: TraceEvent[]): Traced {
  const main = busiest(events, 'FireAnimationFrame');
  const mine = events.filter((event) => event.pid === main.pid);
  const draws = mine.filter((event) => event.name === 'DrawFrame').map((event) => event.ts);
  draws.sort((a, b) => a - b);
  const first = draws[0] ?? 0;
  const last = draws.at(-1) ?? 0;
  const seconds = (last - first) / 1e6;
  if (seconds <= 0) throw new Error('the trace has no frames');
  const inside = mine.filter((event) => event.ts >= first && event.ts < last);
  const onMain = inside.filter((event) => event.tid === main.tid && event.ph === 'X');
  const gaps = draws.slice(1).map((ts, index) => (ts - (draws[index] ?? ts)) / 1000);
  gaps.sort((a, b) => a - b);
  const at = (share: number) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))] ?? 0;
  // One frame may be reported twice: once for the page's part and once for the compositor's.
  const frames = (state: string) => {
    const reports = inside.map((event) => event.args?.frame_reporter);
    return new Set(reports.filter((report) => report?.state?.startsWith(state)).map((report) => report?.frame_sequence))
      .size;
  };
  const tasks = onMain.filter((event) => event.name === 'RunTask');
  const rasters = inside.filter((event) => event.name === 'RasterTask');
  const busy = (names: readonly string[]) => outermost(onMain, names) / 1000 / seconds;
  return {
    drawn: gaps.length / seconds,
    presented: frames('STATE_PRESENTED') / seconds,
    dropped: frames('STATE_DROPPED') / seconds,
    gapP50: at(0.5),
    gapP99: at(0.99),
    gapLongest: at(1),
    script: busy(parts.script),
    style: busy(parts.style),
    layout: busy(parts.layout),
    prePaint: busy(parts.prePaint),
    paint: busy(parts.paint),
    layerize: busy(parts.layerize),
    commit: busy(parts.commit),
    mainThread: sum(tasks) / 1000 / seconds,
    longTasks: tasks.filter((event) => (event.dur ?? 0) > 50_000).length,
    raster: sum(rasters) / 1000 / seconds,
    layoutsPerFrame: onMain.filter((event) => event.name === 'Layout').length / gaps.length,
    rastersPerFrame: rasters.length / gaps.length,
  };
}

/** busiest finds the thread with most events of a name: the main thread of the page that is looked at. */
function busiest(events: TraceEvent[], name: string): { pid: number; tid: number } {
  const counts = new Map<string, { pid: number; tid: number; count: number }>();
  for (const event of events) {
    if (event.name !== name) continue;
    const key = `${event.pid}/${event.tid}`;
    const found = counts.get(key) ?? { pid: event.pid, tid: event.tid, count: 0 };
    found.count += 1;
    counts.set(key, found);
  }
  const most = [...counts.values()].sort((a, b) => b.count - a.count)[0];
  if (!most) throw new Error(`the trace has no ${name}`);
  return most;
}

function time(event: TraceEvent): number {
  return event.tdur ?? event.dur ?? 0;
}

function sum(events: TraceEvent[]): number {
  return events.reduce((total, event) => total + time(event), 0);
}

/** outermost adds up events of these names in us, without those that lie in another one. */
function outermost(events: TraceEvent[], names: readonly string[]): number {
  const found = events.filter((event) => names.includes(event.name)).sort((a, b) => a.ts - b.ts);
  let end = 0;
  let total = 0;
  for (const event of found) {
    if (event.ts < end) continue;
    end = event.ts + (event.dur ?? 0);
    total += time(event);
  }
  return total;
}
