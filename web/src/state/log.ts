import { failureOf, type Failure } from '../api/errors.ts';
import { MessageKind, type GroupMessage } from '../api/gen/muster/v1/group_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

/** Entry is one entry of a group's log. */
export interface Entry {
  seq: number;
  timeMs: number;
  /** 0n: the server itself. */
  senderId: bigint;
  nickname: string;
  clientMessageId: string;
  kind: 'text' | 'joined' | 'tombstone';
  text: string;
  replyTo: number;
  subgroupId: bigint;
  /** How many joined. */
  count: number;
}

export interface LogValue {
  /** A window of the log without gaps, ascending; the rest stays on the server. */
  entries: readonly Entry[];
  /** The seq of the newest message that is known of. */
  head: number;
  /** Whether the window begins with the first message. */
  atStart: boolean;
  /** Whether the window reaches the head: new messages are added as they come. */
  atEnd: boolean;
  loading: 'none' | 'first' | 'before' | 'after';
  failure?: Failure;
  /** Counts how often the log was opened at a place: with each the window is another one. */
  opening: number;
}

const pageSize = 60;
/** More than a few screens; what is beyond is dropped on the far side and read again on the way back. */
const mostEntries = 600;

/** GroupLog is the log of the one group that is open: a window that moves over it, without gaps. */
export class GroupLog {
  readonly groupId: bigint;
  #live: Live;
  #scope: Scope;
  #value = new Store<LogValue>({ entries: [], head: 0, atStart: false, atEnd: false, loading: 'none', opening: 0 });
  /** Counts what makes reading under way useless: its answer is dropped. */
  #reading = 0;
  #place: number | 'end';

  /** The log opens around a seq, or at its end. */
  constructor(live: Live, groupId: bigint, place: number | 'end', scope: Scope) {
    this.groupId = groupId;
    this.#live = live;
    this.#scope = scope;
    this.#place = place;
    scope.add(live.onEvent((event) => this.#hear(event)));
    scope.add(live.onStatus((status) => status.phase === 'online' && this.#returned()));
    void this.#open(place);
  }

  get value(): Readable<LogValue> {
    return this.#value;
  }

  /** jump moves the window to a seq, or to the end. */
  jump(place: number | 'end'): Promise<void> {
    this.#place = place;
    return this.#open(place);
  }

  /** before reads the page before the window. */
  async before(): Promise<void> {
    const { entries, atStart, loading } = this.#value.get();
    const first = entries[0];
    if (!first || atStart || loading !== 'none') return;
    await this.#read('before', { before: BigInt(first.seq) }, (found, more, value) => {
      const joined = [...found, ...value.entries];
      const kept = joined.slice(0, mostEntries);
      return { ...value, entries: kept, atStart: !more, atEnd: value.atEnd && kept.length === joined.length };
    });
  }

  /** after reads the page after the window. */
  async after(): Promise<void> {
    const { entries, atEnd, loading } = this.#value.get();
    const last = entries.at(-1);
    if (!last || atEnd || loading !== 'none') return;
    await this.#read('after', { after: BigInt(last.seq) }, (found, more, value) => {
      const joined = [...value.entries, ...found];
      const kept = joined.slice(-mostEntries);
      return { ...value, entries: kept, atStart: value.atStart && kept.length === joined.length, atEnd: !more };
    });
    this.#mend();
  }

  async #open(place: number | 'end'): Promise<void> {
    this.#reading += 1;
    const { head, opening } = this.#value.get();
    this.#value.set({ entries: [], head, atStart: false, atEnd: false, loading: 'none', opening: opening + 1 });
    // Half a page before the place gives it some company above.
    const where = place === 'end' ? {} : { after: BigInt(Math.max(0, place - pageSize / 2)) };
    await this.#read('first', where, (found, more, value) => ({
      ...value,
      entries: found,
      atStart: (found[0]?.seq ?? 1) === 1 || (place === 'end' && !more),
      atEnd: place === 'end' || !more,
    }));
    this.#mend();
  }

  async #read(
    loading: 'first' | 'before' | 'after',
    where: { before?: bigint; after?: bigint },
    join: (found: Entry[], more: boolean, value: LogValue) => LogValue,
  ): Promise<void> {
    const reading = this.#reading;
    const { failure: _, ...rest } = this.#value.get();
    this.#value.set({ ...rest, loading });
    try {
      const page = await this.#live.call('history', { groupId: this.groupId, limit: pageSize, ...where });
      if (reading !== this.#reading || this.#scope.ended) return;
      const value = this.#value.get();
      const head = Math.max(value.head, Number(page.head));
      this.#value.set({ ...join(page.messages.map(entryOf), page.more, { ...value, head }), loading: 'none' });
    } catch (error) {
      if (reading !== this.#reading || this.#scope.ended) return;
      this.#value.set({ ...this.#value.get(), loading: 'none', failure: failureOf(error) });
    }
  }

  #hear(event: LiveEvent): void {
    if (event.case === 'groupMessage' && event.value.groupId === this.groupId) this.#push(entryOf(event.value));
    if (event.case === 'groupBehind' && event.value.groupId === this.groupId) this.#raise(Number(event.value.head));
  }

  /** push takes the next message; one beyond the next tells that something is missing. */
  #push(entry: Entry): void {
    const value = this.#value.get();
    const last = value.entries.at(-1)?.seq ?? 0;
    const open = value.loading !== 'first';
    if (open && value.atEnd && entry.seq === last + 1) {
      const joined = [...value.entries, entry];
      const kept = joined.slice(-mostEntries);
      const atStart = value.atStart && kept.length === joined.length;
      this.#value.set({ ...value, entries: kept, atStart, head: Math.max(value.head, entry.seq) });
      return;
    }
    if (entry.seq > last) this.#raise(entry.seq);
  }

  #raise(head: number): void {
    const value = this.#value.get();
    if (head > value.head) this.#value.set({ ...value, head });
    this.#mend();
  }

  /** mend reads what is missing at the end of a window that should reach the head. */
  #mend(): void {
    const { entries, head, atEnd, loading, failure } = this.#value.get();
    if (loading !== 'none' || failure || !atEnd || (entries.at(-1)?.seq ?? 0) >= head) return;
    if (entries.length === 0) {
      void this.#open('end');
      return;
    }
    this.#value.set({ ...this.#value.get(), atEnd: false });
    void this.after();
  }

  /** returned asks after every welcome for what was missed: pushes do not come again. */
  #returned(): void {
    const value = this.#value.get();
    const { failure: _, ...rest } = value;
    this.#value.set({ ...rest, loading: 'none' });
    this.#reading += 1;
    if (value.entries.length === 0) void this.#open(this.#place);
    else if (value.atEnd) {
      this.#value.set({ ...rest, loading: 'none', atEnd: false });
      void this.after();
    }
  }
}

const kinds: Partial<Record<MessageKind, Entry['kind']>> = {
  [MessageKind.JOINED]: 'joined',
  [MessageKind.TOMBSTONE]: 'tombstone',
};

/** entryOf reads a message off the wire. */
export function entryOf(m: GroupMessage): Entry {
  return {
    seq: Number(m.seq),
    timeMs: Number(m.timeMs),
    senderId: m.senderId,
    nickname: m.senderNickname,
    clientMessageId: m.clientMessageId,
    kind: kinds[m.kind] ?? 'text',
    text: m.text,
    replyTo: Number(m.replyTo),
    subgroupId: m.subgroupId,
    count: Number(m.count),
  };
}
