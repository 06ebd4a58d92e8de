import { Failure, failureOf } from '../api/errors.ts';
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

type Refused = Pick<Failure, 'code' | 'reason' | 'text'>;

/** Patience with a server that fails and does not say for how long: doubled each time. */
const leastPatienceMs = 500;
const mostPatienceMs = 30_000;
/** A message that breaks the server so often is left to the person, so that the others get through. */
const mostAttempts = 5;
/** So long another tab has for what it wrote. */
const forOthersMs = 5_000;

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
  /** The groups of which a message is under way: the next one waits for its answer, so that the order is kept. */
  #underWay = new Set<bigint>();
  #onSent: (sent: Sent) => void;
  #scope: Scope;
  /** While a timer runs nothing is sent: the server asked for patience, or failed. */
  #patience: ReturnType<typeof setTimeout> | undefined;
  #attempts = 0;
  /** When it rings, what another tab wrote and did not get through is sent from here. */
  #forOthers: ReturnType<typeof setTimeout> | undefined;

  constructor(live: Live, kept: Kept, accountId: bigint, scope: Scope, onSent: (sent: Sent) => void) {
    this.#live = live;
    this.#kept = kept;
    this.#prefix = `muster.out.${accountId}.`;
    this.#onSent = onSent;
    this.#scope = scope;
    this.#load();
    scope.add(kept.onChange((key) => key.startsWith(this.#prefix) && this.#heard()));
    scope.add(live.onStatus((status) => status.phase === 'online' && this.#returned()));
    scope.add(() => this.#rest());
    this.#go();
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
    this.#go();
    return one.id;
  }

  /** again sends what was refused once more, under the same id. */
  again(id: string): void {
    this.#change(id, ({ failure: _, ...rest }) => rest);
    this.#go();
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

  /** heard takes over what another tab changed; that tab sends it, unless it is gone or cut off. */
  #heard(): void {
    this.#load();
    clearTimeout(this.#forOthers);
    if (this.#waiting.get().length > 0) this.#forOthers = setTimeout(() => this.#go(), forOthersMs);
  }

  #returned(): void {
    this.#rest();
    this.#attempts = 0;
    this.#go();
  }

  #rest(): void {
    clearTimeout(this.#patience);
    clearTimeout(this.#forOthers);
    this.#patience = undefined;
  }

  /** go sends of each group the oldest message, if none is under way. */
  #go(): void {
    if (this.#scope.ended || this.#patience !== undefined || this.#live.status().phase !== 'online') return;
    for (const one of this.#waiting.get()) {
      if (one.failure || this.#underWay.has(one.groupId)) continue;
      this.#underWay.add(one.groupId);
      void this.#send(one);
    }
  }

  async #send(one: Outgoing): Promise<void> {
    const { id, groupId, text, replyTo, subgroupId } = one;
    try {
      const value = { clientMessageId: id, groupId, text, replyTo: BigInt(replyTo), subgroupId };
      const sent = await this.#live.call('send', value);
      this.#attempts = 0;
      this.#onSent({ id, groupId, seq: Number(sent.seq), timeMs: Number(sent.timeMs) });
      this.forget(id);
    } catch (error) {
      this.#refused(id, failureOf(error));
    } finally {
      this.#underWay.delete(groupId);
    }
    this.#go();
  }

  #refused(id: string, failure: Failure): void {
    // Without a connection the next welcome sends it.
    if (failure.reason === 'offline' || failure.reason === 'connection_lost') return;
    this.#attempts += 1;
    const broken = failure.code === 'internal' || failure.code === 'unknown';
    if (failure.retry === 'never' || (broken && this.#attempts >= mostAttempts)) {
      this.#attempts = 0;
      this.#change(id, (out) => ({ ...out, failure }));
      return;
    }
    // The server asked for patience: what was written later waits as well, or it would stand before this one.
    const wait = Math.min(mostPatienceMs, leastPatienceMs * 2 ** (this.#attempts - 1));
    clearTimeout(this.#patience);
    const over = () => {
      this.#patience = undefined;
      this.#go();
    };
    this.#patience = setTimeout(over, failure.retryAfterMs > 0 ? Math.max(50, failure.retryAfterMs) : wait);
  }

  #change(id: string, change: (out: Outgoing) => Outgoing): void {
    const changed = this.#waiting.get().map((out) => (out.id === id ? change(out) : out));
    this.#waiting.set(changed);
    const one = changed.find((out) => out.id === id);
    if (one) this.#kept.write(this.#prefix + id, encode(one));
  }

  #load(): void {
    const found: Outgoing[] = [];
    for (const key of this.#kept.keys(this.#prefix)) {
      const one = decode(key.slice(this.#prefix.length), this.#kept.read(key));
      if (one) found.push(one);
    }
    this.#waiting.set(found);
  }
}

function encode(out: Outgoing): string {
  const { groupId, text, replyTo, subgroupId, writtenMs, failure } = out;
  const refused = failure && { code: failure.code, reason: failure.reason, text: failure.text };
  return JSON.stringify({
    groupId: String(groupId),
    text,
    replyTo,
    subgroupId: String(subgroupId),
    writtenMs,
    refused,
  });
}

function decode(id: string, stored: string | undefined): Outgoing | undefined {
  try {
    const raw = JSON.parse(stored ?? '') as Record<string, string & number> & { refused?: Refused };
    const failure = raw.refused && new Failure({ ...raw.refused, retry: 'never' });
    return {
      id,
      groupId: BigInt(raw['groupId'] ?? ''),
      text: String(raw['text'] ?? ''),
      replyTo: Number(raw['replyTo'] ?? 0),
      subgroupId: BigInt(raw['subgroupId'] ?? 0),
      writtenMs: Number(raw['writtenMs'] ?? 0),
      ...(failure && { failure }),
    };
  } catch {
    return undefined; // of another version
  }
}
