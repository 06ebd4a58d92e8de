import { create } from '@bufbuild/protobuf';

import { Failure, unreachable } from '../api/errors.ts';
import { WelcomeSchema } from '../api/gen/muster/v1/live_pb.ts';
import type { Call, CallAnswer, CallInit, Live, LiveEvent, LiveStatus } from '../api/live.ts';
import { browserKept, type Kept } from './kept.ts';

// The other side of the seam, for tests: a live connection whose answers the test gives, and a storage of two tabs.

type Answer = (kind: Call, value: unknown) => unknown;

/** FakeLive answers calls by a function, and is on- or offline when the test says so. */
export class FakeLive implements Live {
  /** Every call in its order, as "send" and its value. */
  readonly calls: { kind: Call; value: Record<string, unknown> }[] = [];
  #answer: Answer;
  #status: LiveStatus = { phase: 'idle' };
  #statuses = new Set<(status: LiveStatus) => void>();
  #events = new Set<(event: LiveEvent) => void>();
  #pending = new Set<(failure: Failure) => void>();

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  status = (): LiveStatus => this.#status;
  start(): void {}
  stop(): void {}
  retryNow(): void {}
  typing(): void {}

  onStatus(listener: (status: LiveStatus) => void): () => void {
    this.#statuses.add(listener);
    return () => this.#statuses.delete(listener);
  }

  onEvent(listener: (event: LiveEvent) => void): () => void {
    this.#events.add(listener);
    return () => this.#events.delete(listener);
  }

  async call<K extends Call>(kind: K, value: CallInit<K>): Promise<CallAnswer<K>> {
    if (this.#status.phase !== 'online') throw unreachable('offline');
    this.calls.push({ kind, value: value as Record<string, unknown> });
    const cut = new Promise<never>((_, reject) => this.#pending.add(reject));
    cut.catch(() => {});
    return (await Promise.race([this.#answer(kind, value), cut])) as CallAnswer<K>;
  }

  online(): void {
    this.#set({ phase: 'online', welcome: create(WelcomeSchema) });
  }

  /** offline breaks the connection: whatever waits for an answer learns that there will be none. */
  offline(): void {
    for (const reject of this.#pending) reject(unreachable('connection_lost'));
    this.#pending.clear();
    this.#set({ phase: 'waiting', attempt: 1, retryAtMs: 0 });
  }

  push(event: LiveEvent): void {
    for (const listener of this.#events) listener(event);
  }

  #set(status: LiveStatus): void {
    this.#status = status;
    for (const listener of this.#statuses) listener(status);
  }
}

/** refused is a failure as the server gives it. */
export function refused(code: string, reason: string, retryAfterMs = 0): Failure {
  return new Failure({ code, reason, text: '', retry: retryAfterMs > 0 ? 'later' : 'never', retryAfterMs });
}

/** tabs are two tabs over one storage: what one writes the other hears. */
export function tabs(): [Kept, Kept] {
  const items = new Map<string, string>();
  const targets = [new EventTarget(), new EventTarget()];
  const open = (mine: number): Kept => {
    const tell = (key: string) => targets[1 - mine]?.dispatchEvent(Object.assign(new Event('storage'), { key }));
    return browserKept(
      {
        get length() {
          return items.size;
        },
        key: (index) => [...items.keys()][index] ?? null,
        getItem: (key) => items.get(key) ?? null,
        setItem(key, value) {
          items.set(key, value);
          tell(key);
        },
        removeItem(key) {
          items.delete(key);
          tell(key);
        },
        clear: () => items.clear(),
      },
      targets[mine] ?? new EventTarget(),
    );
  };
  return [open(0), open(1)];
}

/** settle lets everything that is already decided happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
