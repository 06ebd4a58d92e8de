import type { Live } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

/** A hint is good for so long: people who go on writing hint again before. */
const typingMs = 6_000;
/** More names than these nobody reads. */
const mostTyping = 20;

/** Typing is who is writing in a group right now, the account itself not counted. */
export class Typing {
  #names = new Map<bigint, { nickname: string; timer: ReturnType<typeof setTimeout> }>();
  #value = new Store<readonly string[]>([]);

  constructor(live: Live, groupId: bigint, me: bigint, scope: Scope) {
    scope.add(
      live.onEvent((event) => {
        if (event.case === 'typing' && event.value.groupId === groupId && event.value.accountId !== me)
          this.#writes(event.value.accountId, event.value.nickname);
        // Who has written is done with it.
        if (event.case === 'groupMessage' && event.value.groupId === groupId) this.#quiet(event.value.senderId);
      }),
    );
    scope.add(() => {
      for (const { timer } of this.#names.values()) clearTimeout(timer);
    });
  }

  /** value is the nicknames. */
  get value(): Readable<readonly string[]> {
    return this.#value;
  }

  #writes(id: bigint, nickname: string): void {
    const known = this.#names.get(id);
    if (!known && this.#names.size >= mostTyping) return;
    clearTimeout(known?.timer);
    const timer = setTimeout(() => this.#quiet(id), typingMs);
    this.#names.set(id, { nickname, timer });
    if (known?.nickname !== nickname) this.#tell();
  }

  #quiet(id: bigint): void {
    const known = this.#names.get(id);
    if (!known) return;
    clearTimeout(known.timer);
    this.#names.delete(id);
    this.#tell();
  }

  #tell(): void {
    this.#value.set([...this.#names.values()].map(({ nickname }) => nickname));
  }
}
