import type { Kept } from './kept.ts';

/** Drafts keep what somebody is typing, by account and place, over reloads and errors. */
export class Drafts {
  #kept: Kept;
  #prefix: string;

  constructor(kept: Kept, accountId: bigint) {
    this.#kept = kept;
    this.#prefix = `muster.draft.${accountId}.`;
  }

  /** read is the draft of a place, such as "g12" or "c3". */
  read(place: string): string {
    return this.#kept.read(this.#prefix + place) ?? '';
  }

  write(place: string, text: string): void {
    this.#kept.write(this.#prefix + place, text === '' ? undefined : text);
  }
}
