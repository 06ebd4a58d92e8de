import type { Kept } from './kept.ts';
import type { Scope } from './scope.ts';

interface Last {
  head: number;
  /** When the newest message came, as far as this browser knows. */
  ms: number;
}

/** A busy group is written down at most so often. */
const writeMs = 2_000;

/**
 * Activity is when something was last written in each group. The list of groups does not tell, so it is noted as
 * messages come; what came while the page was closed counts from the moment in which it was learnt.
 */
export class Activity {
  #kept: Kept;
  #key: string;
  #last = new Map<string, Last>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(kept: Kept, accountId: bigint, scope: Scope) {
    this.#kept = kept;
    this.#key = `muster.active.${accountId}`;
    for (const [id, head, ms] of decode(kept.read(this.#key))) this.#last.set(id, { head, ms });
    scope.add(() => this.#timer !== undefined && this.#write());
  }

  /** of is when a group was last active, in ms; otherwise is taken for one that was never seen. */
  of(groupId: bigint, head: number, otherwise: number): number {
    const last = this.#last.get(String(groupId));
    if (last && last.head >= head) return last.ms;
    return this.note(groupId, head, last ? Date.now() : otherwise);
  }

  /** note keeps that the log has grown to head at a time, and gives the time. */
  note(groupId: bigint, head: number, ms: number): number {
    this.#last.set(String(groupId), { head, ms });
    this.#timer ??= setTimeout(() => this.#write(), writeMs);
    return ms;
  }

  /** forget drops a group that the account is no longer in. */
  forget(groupId: bigint): void {
    this.#last.delete(String(groupId));
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const all = [...this.#last].map(([id, { head, ms }]) => [id, head, ms]);
    this.#kept.write(this.#key, JSON.stringify(all));
  }
}

function decode(stored: string | undefined): [string, number, number][] {
  try {
    const all = JSON.parse(stored ?? '[]') as unknown[];
    return all.filter(
      (one): one is [string, number, number] =>
        Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'number' && typeof one[2] === 'number',
    );
  } catch {
    return []; // of another version
  }
}
