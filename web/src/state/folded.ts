import type { Kept } from './kept.ts';
import { Store, type Readable } from './store.ts';

/** Folded are the channels of the tree whose inside is hidden, over reloads. */
export class Folded {
  #kept: Kept;
  #key: string;
  #value: Store<ReadonlySet<bigint>>;

  constructor(kept: Kept, accountId: bigint) {
    this.#kept = kept;
    this.#key = `muster.folded.${accountId}`;
    const ids = (kept.read(this.#key) ?? '').split(',').filter((id) => /^\d+$/.test(id));
    this.#value = new Store(new Set(ids.map(BigInt)));
  }

  get value(): Readable<ReadonlySet<bigint>> {
    return this.#value;
  }

  fold(id: bigint, on: boolean): void {
    const next = new Set(this.#value.get());
    if (on) next.add(id);
    else next.delete(id);
    this.#kept.write(this.#key, next.size === 0 ? undefined : [...next].join(','));
    this.#value.set(next);
  }
}
