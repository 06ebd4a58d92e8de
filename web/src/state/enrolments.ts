import type { Clients } from '../api/clients.ts';
import { Failure, failureOf } from '../api/errors.ts';
import { type Enrolment, EnrolmentState, type LevelPolicy } from '../api/gen/muster/v1/enrolment_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

export { EnrolmentState };

/** Counts say what became of people; everybody is in exactly one of them. */
export interface Counts {
  added: number;
  asked: number;
  alreadyIn: number;
  /** The policy of their level is to leave them alone. */
  skippedPolicy: number;
  skippedBlocked: number;
  skippedRefused: number;
  skippedFull: number;
}

/** What became of people, in the order in which it is shown. */
export const fates = [
  'added',
  'asked',
  'alreadyIn',
  'skippedPolicy',
  'skippedRefused',
  'skippedBlocked',
  'skippedFull',
] as const satisfies readonly (keyof Counts)[];

/** OneEnrolment is a job that brings a channel's roster into a group. */
export interface OneEnrolment {
  id: bigint;
  groupId: bigint;
  channelId: bigint;
  requesterId: bigint;
  state: EnrolmentState;
  policies: readonly LevelPolicy[];
  text: string;
  createdMs: number;
  /** 0: it has not ended. */
  endedMs: number;
  /** People on the roster when it began. */
  total: number;
  counts: Counts;
  /** How many the counts have. */
  handled: number;
  accepted: number;
  declined: number;
  /** Taken out again by an undo. */
  removed: number;
  failure: string;
}

/** moving says that the server is at work on a job. */
export function moving(job: OneEnrolment): boolean {
  return job.state === EnrolmentState.RUNNING || job.state === EnrolmentState.UNDOING;
}

export interface EnrolmentsValue {
  loaded: boolean;
  failure: Failure | undefined;
  /** The newest first. */
  jobs: readonly OneEnrolment[];
  /** There are older ones: more reads them. */
  more: boolean;
}

const retryMs = 2_000;

/**
 * Enrolments are a group's jobs, and stay up to date: the account's own by the live socket, the one that is looked at
 * (watch) by a stream of its own, so that every administrator sees it move.
 */
export class Enrolments {
  #clients: Clients;
  #groupId: bigint;
  #scope: Scope;
  #value = new Store<EnrolmentsValue>({ loaded: false, failure: undefined, jobs: [], more: false });
  #next = '';

  constructor(clients: Clients, live: Live, groupId: bigint, scope: Scope) {
    this.#clients = clients;
    this.#groupId = groupId;
    this.#scope = scope;
    scope.add(live.onEvent((event) => this.#hear(event)));
    void this.load();
  }

  get value(): Readable<EnrolmentsValue> {
    return this.#value;
  }

  /** load reads the newest page anew. */
  async load(): Promise<void> {
    this.#next = '';
    await this.#read();
  }

  /** more reads the next older page. */
  async more(): Promise<void> {
    if (this.#next !== '') await this.#read();
  }

  /** watch follows one job for as long as the scope lasts, through broken connections, until it stands still. */
  watch(id: bigint, scope: Scope): void {
    const stop = new AbortController();
    scope.add(() => stop.abort());
    void this.#follow(id, stop.signal);
  }

  async cancel(id: bigint): Promise<void> {
    const { enrolment } = await this.#clients.enrolment.cancelEnrolment({ enrolmentId: id });
    if (enrolment) this.put(enrolment);
  }

  async undo(id: bigint): Promise<void> {
    const { enrolment } = await this.#clients.enrolment.undoEnrolment({ enrolmentId: id });
    if (enrolment) this.put(enrolment);
  }

  /** put takes a job that the server told of. */
  put(enrolment: Enrolment): void {
    if (enrolment.groupId !== this.#groupId) return;
    const job = oneEnrolment(enrolment);
    this.#value.update((value) => {
      const known = value.jobs.some((j) => j.id === job.id);
      const jobs = known ? value.jobs.map((j) => (j.id === job.id ? job : j)) : sorted([...value.jobs, job]);
      return { ...value, jobs };
    });
  }

  async #read(): Promise<void> {
    try {
      const page = await this.#clients.enrolment.listEnrolments({
        groupId: this.#groupId,
        pageSize: 50,
        pageToken: this.#next,
      });
      if (this.#scope.ended) return;
      this.#next = page.nextPageToken;
      const jobs = new Map(this.#value.get().jobs.map((job) => [job.id, job]));
      for (const enrolment of page.enrolments) jobs.set(enrolment.id, oneEnrolment(enrolment));
      this.#value.set({ loaded: true, failure: undefined, jobs: sorted([...jobs.values()]), more: this.#next !== '' });
    } catch (thrown) {
      this.#value.patch({ loaded: true, failure: failureOf(thrown) });
    }
  }

  async #follow(id: bigint, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const { enrolment } of this.#clients.enrolment.watchEnrolment({ enrolmentId: id }, { signal })) {
          if (enrolment) this.put(enrolment);
        }
        return; // it has ended
      } catch (thrown) {
        const failure = failureOf(thrown);
        if (signal.aborted) return;
        if (failure.retry === 'never') return this.#value.patch({ failure });
        await pause(Math.max(retryMs, failure.retryAfterMs), signal);
      }
    }
  }

  #hear(event: LiveEvent): void {
    if (event.case === 'enrolmentProgress') this.put(event.value);
  }
}

function sorted(jobs: OneEnrolment[]): OneEnrolment[] {
  return jobs.sort((a, b) => b.createdMs - a.createdMs);
}

/** countsOf reads counts of the wire. */
export function countsOf(c: Enrolment['counts']): Counts {
  return {
    added: Number(c?.added ?? 0n),
    asked: Number(c?.asked ?? 0n),
    alreadyIn: Number(c?.alreadyIn ?? 0n),
    skippedPolicy: Number(c?.skippedPolicy ?? 0n),
    skippedBlocked: Number(c?.skippedBlocked ?? 0n),
    skippedRefused: Number(c?.skippedRefused ?? 0n),
    skippedFull: Number(c?.skippedFull ?? 0n),
  };
}

/** sum is how many people the counts have. */
export function sum(counts: Counts): number {
  return fates.reduce((n, fate) => n + counts[fate], 0);
}

function oneEnrolment(e: Enrolment): OneEnrolment {
  const counts = countsOf(e.counts);
  return {
    id: e.id,
    groupId: e.groupId,
    channelId: e.channelId,
    requesterId: e.requesterId,
    state: e.state,
    policies: e.policies,
    text: e.text,
    createdMs: Number(e.createdMs),
    endedMs: Number(e.endedMs),
    total: Number(e.total),
    counts,
    handled: sum(counts),
    accepted: Number(e.accepted),
    declined: Number(e.declined),
    removed: Number(e.removed),
    failure: e.failure,
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
