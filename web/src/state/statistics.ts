import type { Clients } from '../api/clients.ts';
import { failureOf, type Failure } from '../api/errors.ts';
import type { GetStatisticsResponse } from '../api/gen/muster/v1/admin_pb.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

/** Sample is what a server did since the sample before, and what it held at the end of it. */
export interface Sample {
  atMs: number;
  connections: number;
  memoryBytes: number;
  /** A second, since the sample before. */
  sent: number;
  said: number;
  delivered: number;
}

export interface StatisticsValue {
  /** The newest answer. */
  now?: GetStatisticsResponse;
  failure?: Failure;
  /** The oldest first. */
  samples: readonly Sample[];
}

const everyMs = 2_000;
/** Two minutes of samples. */
const mostSamples = 60;

/** Statistics asks the server every few seconds what it holds and does, for as long as the scope lasts. */
export class Statistics {
  #clients: Clients;
  #scope: Scope;
  #visible: () => boolean;
  #asking = false;
  #last: { atMs: number; answer: GetStatisticsResponse } | undefined;
  #value = new Store<StatisticsValue>({ samples: [] });

  constructor(clients: Clients, scope: Scope, visible: () => boolean) {
    this.#clients = clients;
    this.#scope = scope;
    this.#visible = visible;
    scope.every(everyMs, () => this.#visible() && void this.#ask());
    void this.#ask();
  }

  get value(): Readable<StatisticsValue> {
    return this.#value;
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const answer = await this.#clients.admin.getStatistics({});
      if (!this.#scope.ended) this.#take(answer, Date.now());
    } catch (error) {
      if (!this.#scope.ended) this.#value.patch({ failure: failureOf(error) });
    } finally {
      this.#asking = false;
    }
  }

  #take(answer: GetStatisticsResponse, atMs: number): void {
    const last = this.#last;
    this.#last = { atMs, answer };
    const { samples } = this.#value.get();
    // A server that began anew counts from zero: the line begins anew too.
    const goesOn = last !== undefined && last.answer.startedMs === answer.startedMs && atMs > last.atMs;
    if (!goesOn) {
      this.#value.set({ now: answer, samples: [] });
      return;
    }
    const seconds = (atMs - last.atMs) / 1000;
    const rate = (of: (a: GetStatisticsResponse) => bigint) =>
      Math.max(0, Number(of(answer) - of(last.answer))) / seconds;
    const sample = {
      atMs,
      connections: Number(answer.connections),
      memoryBytes: Number(answer.memoryBytes),
      sent: rate((a) => a.messagesSent),
      said: rate((a) => a.channelMessages),
      delivered: rate((a) => a.deliveries),
    };
    this.#value.set({ now: answer, samples: [...samples, sample].slice(-mostSamples) });
  }
}
