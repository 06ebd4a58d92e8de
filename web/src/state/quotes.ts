import type { Live } from '../api/live.ts';
import { entryOf, type Entry, type GroupLog } from './log.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

/** So many quoted messages are kept that the window does not hold. */
const mostKept = 500;

/** Quotes are the messages that others answer, wherever in the log they stand. */
export class Quotes {
  #live: Live;
  #log: GroupLog;
  #scope: Scope;
  #read = new Store<ReadonlyMap<number, Entry>>(new Map());
  #asked = new Set<number>();

  constructor(live: Live, log: GroupLog, scope: Scope) {
    this.#live = live;
    this.#log = log;
    this.#scope = scope;
    // What was asked for without an answer is asked for again when it is looked at.
    scope.add(live.onStatus((status) => status.phase === 'online' && this.#asked.clear()));
  }

  /** value is what was read from outside of the window. */
  get value(): Readable<ReadonlyMap<number, Entry>> {
    return this.#read;
  }

  /** of is the message of a seq, if it is known. */
  of(seq: number): Entry | undefined {
    const { entries } = this.#log.value.get();
    // The window has no gaps.
    return entries[seq - (entries[0]?.seq ?? 0)] ?? this.#read.get().get(seq);
  }

  /** ask reads the message of a seq, unless it is known or under way. */
  async ask(seq: number): Promise<void> {
    if (seq <= 0 || this.#asked.has(seq) || this.of(seq)) return;
    this.#asked.add(seq);
    try {
      const after = BigInt(seq - 1);
      const page = await this.#live.call('history', { groupId: this.#log.groupId, after, limit: 1 });
      const found = page.messages.map(entryOf).find((entry) => entry.seq === seq);
      if (!found || this.#scope.ended) return;
      const all = [...this.#read.get(), [seq, found] as const];
      this.#read.set(new Map(all.slice(-mostKept)));
    } catch {
      // The quote stays without its text; the next welcome makes room for another attempt.
    }
  }
}
