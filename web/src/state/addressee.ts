import type { Drafts } from './drafts.ts';
import { Store, type Readable } from './store.ts';

/**
 * Addressee is for whom a group's message is that is being written: a subgroup, or everybody (0n). It is a part of the
 * draft: it outlives a reload as the text does, and ends with it. Everybody reads the message all the same.
 */
export class Addressee {
  #drafts: Drafts;
  #place: string;
  #value: Store<bigint>;

  constructor(drafts: Drafts, groupId: bigint) {
    this.#drafts = drafts;
    this.#place = `g${groupId}.to`;
    const kept = drafts.read(this.#place);
    this.#value = new Store(/^\d+$/.test(kept) ? BigInt(kept) : 0n);
  }

  get value(): Readable<bigint> {
    return this.#value;
  }

  choose(subgroupId: bigint): void {
    this.#drafts.write(this.#place, subgroupId === 0n ? '' : String(subgroupId));
    this.#value.set(subgroupId);
  }

  /** take gives for whom the message is and begins a new one, for everybody. */
  take(): bigint {
    const chosen = this.#value.get();
    this.choose(0n);
    return chosen;
  }
}
