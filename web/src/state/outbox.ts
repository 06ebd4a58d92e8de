import { failureOf, type Failure } from '../api/errors.ts';
import type { Live } from '../api/live.ts';
import type { Kept } from './kept.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';
import { uuidv7 } from './uuid.ts';

/** Outgoing is a message that was written and is not known to be durable yet. */
export interface Outgoing {
  /** The client message id, a UUID of version 7: the server takes it once, however often it is sent. */
  id: string;
  groupId: bigint;
  text: string;
  /** 0: answers nothing. */
  replyTo: number;
  /** 0n: addresses everybody. */
  subgroupId: bigint;
  writtenMs: number;
  /** Set when the server refused it for good: the person decides to try again or to throw it away. */
  failure?: Failure;
}

export type Sent = { id: string; groupId: bigint; seq: number; timeMs: number };

/**
 * Outbox keeps every message from the moment in which it is written until the server acknowledged it. What waits lies
 * in storage under a key of its own, so a reload or a crash loses nothing, and whichever tab is online sends what any
 * tab wrote. Two tabs may send the same message: it has one id, so it stands once.
 */
export class Outbox {
  #live: Live;
  #kept: Kept;
  #prefix: string;
  #waiting = new Store<readonly Outgoing[]>([]);
  #underWay = new Set<string>();
  #onSent: (sent: Sent) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(live: Live, kept: Kept, accountId: bigint, scope: Scope, onSent: (sent: Sent) => void) {
    this.#live = live;
    this.#kept = kept;
    this.#prefix = `muster.out.${accountId}.`;
    this.#onSent = onSent;
    this.#load();
    scope.add(kept.onChange((key) => key.startsWith(this.#prefix) && this.#load()));
    scope.add(live.onStatus((status) => status.phase === 'online' && this.#sendAll()));
    scope.add(() => clearTimeout(this.#timer));
    if (live.status().phase === 'online') this.#sendAll();
  }

  /** waiting is what is not acknowledged, in the order in which it was written. */
  get waiting(): Readable<readonly Outgoing[]> {
    return this.#waiting;
  }

  /** add takes a message and sends it as soon as there is a connection. */
  add(message: { groupId: bigint; text: string; replyTo?: number; subgroupId?: bigint }): string {
    const { groupId, text, replyTo = 0, subgroupId = 0n } = message;
    const one: Outgoing = { id: uuidv7(), groupId, text, replyTo, subgroupId, writtenMs: Date.now() };
    this.#kept.write(this.#prefix + one.id, encode(one));
    this.#waiting.update((all) => [...all, one]);
    void this.#send(one);
    return one.id;
  }

  /** again sends what was refused once more, under the same id. */
  again(id: string): void {
    this.#change(id, ({ failure: _, ...rest }) => rest);
    const one = this.#waiting.get().find((out) => out.id === id);
    if (one) void this.#send(one);
  }

  /** forget throws a message away that was refused. */
  forget(id: string): void {
    this.#kept.write(this.#prefix + id, undefined);
    this.#waiting.update((all) => all.filter((out) => out.id !== id));
  }

  /** seen tells that the message stands in the log already: another tab sent it, or the answer was lost. */
  seen(id: string): void {
    if (this.#waiting.get().some((out) => out.id === id)) this.forget(id);
  }

  #sendAll(): void {
    clearTimeout(this.#timer);
    for (const one of this.#waiting.get()) if (!one.failure) void this.#send(one);
  }

  async #send(one: Outgoing): Promise<void> {
    if (this.#underWay.has(one.id)) return;
    this.#underWay.add(one.id);
    try {
      const { id, groupId, text, replyTo, subgroupId } = one;
      const value = { clientMessageId: id, groupId, text, replyTo: BigInt(replyTo), subgroupId };
      const sent = await this.#live.call('send', value);
      this.#onSent({ id, groupId, seq: Number(sent.seq), timeMs: Number(sent.timeMs) });
      this.forget(id);
    } catch (error) {
      this.#refused(one.id, failureOf(error));
    } finally {
      this.#underWay.delete(one.id);
    }
  }

  #refused(id: string, failure: Failure): void {
    if (failure.retry === 'never') {
      this.#change(id, (out) => ({ ...out, failure }));
      return;
    }
    // Without a connection the next welcome sends it; else the server asked for patience.
    if (failure.reason === 'offline' || failure.reason === 'connection_lost') return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#sendAll(), Math.max(500, failure.retryAfterMs));
  }

  #change(id: string, change: (out: Outgoing) => Outgoing): void {
    this.#waiting.update((all) => all.map((out) => (out.id === id ? change(out) : out)));
  }

  #load(): void {
    const known = new Map(this.#waiting.get().map((out) => [out.id, out]));
    const found: Outgoing[] = [];
    for (const key of this.#kept.keys(this.#prefix)) {
      const id = key.slice(this.#prefix.length);
      const one = known.get(id) ?? decode(id, this.#kept.read(key));
      if (one) found.push(one);
    }
    this.#waiting.set(found);
  }
}

function encode(out: Outgoing): string {
  const { groupId, text, replyTo, subgroupId, writtenMs } = out;
  return JSON.stringify({ groupId: String(groupId), text, replyTo, subgroupId: String(subgroupId), writtenMs });
}

function decode(id: string, stored: string | undefined): Outgoing | undefined {
  try {
    const raw = JSON.parse(stored ?? '') as Record<string, string & number>;
    return {
      id,
      groupId: BigInt(raw['groupId'] ?? ''),
      text: String(raw['text'] ?? ''),
      replyTo: Number(raw['replyTo'] ?? 0),
      subgroupId: BigInt(raw['subgroupId'] ?? 0),
      writtenMs: Number(raw['writtenMs'] ?? 0),
    };
  } catch {
    return undefined; // of another version
  }
}
