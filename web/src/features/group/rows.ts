import type { Entry } from '../../state/log.ts';
import type { Outgoing } from '../../state/outbox.ts';

/** Row is one line of the history as it is shown. */
export type Row =
  | { key: string; kind: 'day'; timeMs: number }
  | { key: string; kind: 'unread' }
  | { key: string; kind: 'entry'; entry: Entry; follows: boolean }
  | { key: string; kind: 'outgoing'; out: Outgoing; follows: boolean };

/** Entries of one person within this time stand under one name. */
const togetherMs = 5 * 60_000;

/**
 * rowsOf lays out a window of the log, and behind its end what is on the way. A message that stands in the log and is
 * still in the outbox is shown once: as it stands.
 */
export function rowsOf(
  entries: readonly Entry[],
  outgoing: readonly Outgoing[],
  me: bigint,
  unreadAfter: number | undefined,
  atStart: boolean,
): Row[] {
  const rows: Row[] = [];
  const known = new Set<string>();
  let before: Entry | undefined;
  // A window that begins behind the line does not show it: it stands further up.
  let told = unreadAfter === undefined || (entries[0]?.seq ?? 0) > unreadAfter + 1;
  for (const entry of entries) {
    if (entry.senderId === me) known.add(entry.clientMessageId);
    // Whether a window begins with a new day is not known before what is above it: a line that is there until then, and
    // goes up from under the reader's eyes, would take the view along.
    const newDay = before ? dayOf(before.timeMs) !== dayOf(entry.timeMs) : atStart;
    if (newDay) rows.push({ key: `d${dayOf(entry.timeMs)}`, kind: 'day', timeMs: entry.timeMs });
    // What one wrote oneself is no news.
    const unread = !told && unreadAfter !== undefined && entry.seq > unreadAfter && entry.senderId !== me;
    if (unread) told = true;
    if (unread) rows.push({ key: 'unread', kind: 'unread' });
    const together =
      before?.kind === 'text' &&
      entry.kind === 'text' &&
      entry.replyTo === 0 &&
      entry.subgroupId === before.subgroupId &&
      before.senderId === entry.senderId &&
      entry.timeMs - before.timeMs < togetherMs;
    // One's own message keeps the key that it had on its way, so the row stays the same one.
    const key = entry.senderId === me && entry.clientMessageId !== '' ? `o${entry.clientMessageId}` : `s${entry.seq}`;
    rows.push({ key, kind: 'entry', entry, follows: together && !newDay && !unread });
    before = entry;
  }
  // For whom the message above is that is one's own too.
  let mine = before?.kind === 'text' && before.senderId === me ? before.subgroupId : undefined;
  for (const out of outgoing) {
    if (known.has(out.id)) continue;
    rows.push({ key: `o${out.id}`, kind: 'outgoing', out, follows: mine === out.subgroupId && out.replyTo === 0 });
    mine = out.subgroupId;
  }
  return rows;
}

/** The height of the line that is quoted above an answer. */
const quoteHeight = 26;
/** The height of the line that says for which subgroup a message is. */
const addressedHeight = 22;

/** heightOf guesses how high a row is drawn, in px, before it is. */
export function heightOf(row: Row): number {
  if (row.kind === 'day' || row.kind === 'unread') return 38;
  if (row.kind === 'entry' && row.entry.kind !== 'text') return 37;
  const text = row.kind === 'entry' ? row.entry.text : row.out.text;
  let lines = 0;
  for (const line of text.split('\n')) lines += 1 + Math.floor(line.length / 90);
  const { replyTo, subgroupId } = row.kind === 'entry' ? row.entry : row.out;
  const addressed = subgroupId !== 0n && !row.follows ? addressedHeight : 0;
  return lines * 22 + (row.follows ? 4 : 30) + (replyTo > 0 ? quoteHeight : 0) + addressed;
}

function dayOf(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}

/** indexOf is the row of a message, or of the unread line behind it; -1: it is not in these rows. */
export function indexOf(rows: readonly Row[], seq: number, line: boolean): number {
  if (line) return rows.findIndex((row) => row.kind === 'unread');
  return rows.findIndex((row) => row.kind === 'entry' && row.entry.seq === seq);
}
