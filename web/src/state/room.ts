import { failureOf, type Failure } from '../api/errors.ts';
import { Level, type Present } from '../api/gen/muster/v1/channel_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import { Said } from './said.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';
import { uuidv7 } from './uuid.ts';

export interface Person {
  id: bigint;
  nickname: string;
  /** UNSPECIFIED: a visitor. */
  level: Level;
}

export interface RoomValue {
  phase: 'entering' | 'inside' | 'out';
  /** Why the client is out: what the server said when it put it out ("left": the person went). */
  why?: string;
  failure?: Failure;
  people: number;
  /** In a large room only staff are named as they come and go; the server tells the count. */
  large: boolean;
  /** Who is known to be inside; in a large room its staff. */
  present: ReadonlyMap<bigint, Person>;
  yourLevel: Level;
  speakLevel: Level;
  slowModeMs: number;
  /** Until when slow mode or the server's pace keeps the account from speaking; 0: it may. */
  quietUntilMs: number;
  /** Nicknames of who is writing something. */
  typing: readonly string[];
}

/** How many people are named without being asked for. */
const mostPresent = 500;
const mostTyping = 3;
const typingMs = 6_000;
/** A reader that misses notices reads the list of people anew, at most so often. */
const rereadMs = 5_000;

const outside = {
  phase: 'entering',
  people: 0,
  large: false,
  present: new Map<bigint, Person>(),
  yourLevel: Level.UNSPECIFIED,
  speakLevel: Level.UNSPECIFIED,
  slowModeMs: 0,
  quietUntilMs: 0,
  typing: [],
} as const satisfies RoomValue;

/** A Move is somebody who came in or is shown differently, or, without a person, went. */
type Move = { id: bigint; person?: Person };

/** OpenRoom is the one room in which this tab is. It goes in again by itself when the connection returns. */
export class OpenRoom {
  readonly channelId: bigint;
  #live: Live;
  #scope: Scope;
  #value = new Store<RoomValue>(outside);
  /** What is said changes at every frame of a busy room, the rest of the room seldom: they are told apart. */
  readonly said = new Said();
  /** Who moved since the last frame: a busy room changes the page once a frame, not once an event. */
  #moves: Move[] = [];
  /** Who moved while the list of people was read: newer than the list. */
  #since: Move[] | undefined;
  #flushing = false;
  #nextFrame: (act: () => void) => void;
  #cutMs = 0;
  #rereadTimer: ReturnType<typeof setTimeout> | undefined;
  #typing = new Map<bigint, ReturnType<typeof setTimeout>>();
  #names = new Map<bigint, string>();

  constructor(live: Live, channelId: bigint, scope: Scope, nextFrame: (act: () => void) => void) {
    this.channelId = channelId;
    this.#live = live;
    this.#scope = scope;
    this.#nextFrame = nextFrame;
    scope.add(live.onEvent((event) => this.#hear(event)));
    scope.add(live.onStatus((status) => this.#connection(status.phase === 'online')));
    scope.add(() => {
      clearTimeout(this.#rereadTimer);
      for (const timer of this.#typing.values()) clearTimeout(timer);
      if (this.#value.get().phase !== 'out') this.#leave();
    });
    if (live.status().phase === 'online') void this.enter();
  }

  get value(): Readable<RoomValue> {
    return this.#value;
  }

  /** enter goes into the room; after having been put out, only when the person asks for it. */
  async enter(): Promise<void> {
    if (this.#value.get().phase === 'out') this.#settle({ phase: 'entering' });
    try {
      const entered = await this.#live.call('enter', { channelId: this.channelId });
      if (this.#scope.ended) return;
      if (this.#cutMs > 0) this.said.add({ kind: 'away', fromMs: this.#cutMs });
      this.#cutMs = 0;
      this.#flush();
      this.#settle({
        phase: 'inside',
        people: Number(entered.people),
        large: entered.large,
        present: new Map(entered.staff.map((p) => [p.accountId, personOf(p)])),
        yourLevel: entered.yourLevel,
        speakLevel: entered.speakLevel,
        slowModeMs: Number(entered.slowModeMs),
      });
      if (!entered.large) await this.#readPresent();
    } catch (error) {
      const failure = failureOf(error);
      if (this.#scope.ended || failure.reason === 'offline' || failure.reason === 'connection_lost') return;
      this.#settle({ phase: 'out', failure });
    }
  }

  /** exit goes out of the room, until the person enters again. */
  exit(): void {
    this.#leave();
    this.#cutMs = 0;
    this.said.clear();
    this.#settle({ phase: 'out', why: 'left' });
  }

  /** say speaks to who is here now; it rejects with a Failure, and then nobody heard it. */
  async say(text: string): Promise<void> {
    try {
      await this.#live.call('say', { channelId: this.channelId, clientMessageId: uuidv7(), text });
      const { slowModeMs, yourLevel } = this.#value.get();
      if (slowModeMs > 0 && yourLevel < Level.MODERATOR) this.#value.patch({ quietUntilMs: Date.now() + slowModeMs });
    } catch (error) {
      const failure = failureOf(error);
      if (failure.retryAfterMs > 0) this.#value.patch({ quietUntilMs: Date.now() + failure.retryAfterMs });
      throw failure;
    }
  }

  /** readPeople reads a page of everybody who is inside, the highest levels first. */
  async readPeople(pageToken: string): Promise<{ rows: Person[]; next: string }> {
    const page = await this.#live.call('people', { channelId: this.channelId, pageSize: 200, pageToken });
    this.#value.patch({ people: Number(page.total) });
    return { rows: page.people.map(personOf), next: page.nextPageToken };
  }

  async #readPresent(): Promise<void> {
    const since: Move[] = [];
    this.#since = since;
    try {
      const page = await this.#live.call('people', { channelId: this.channelId, pageSize: mostPresent });
      if (this.#scope.ended || this.#value.get().large) return;
      this.#flush();
      const present = new Map(page.people.map((p) => [p.accountId, personOf(p)]));
      for (const { id, person } of since) {
        if (person) present.set(id, person);
        else present.delete(id);
      }
      this.#value.patch({ present, people: present.size < mostPresent ? present.size : Number(page.total) });
    } catch {
      // The count stays; names come as people move.
    } finally {
      if (this.#since === since) this.#since = undefined;
    }
  }

  #connection(online: boolean): void {
    const { phase } = this.#value.get();
    if (online && phase !== 'out') void this.enter();
    else if (!online && phase === 'inside') {
      this.#cutMs = Date.now();
      this.#value.patch({ phase: 'entering' });
    }
  }

  #hear(event: LiveEvent): void {
    if (!event.value || !('channelId' in event.value) || event.value.channelId !== this.channelId) return;
    switch (event.case) {
      case 'channelMessage': {
        const { senderId, senderNickname: nickname, senderLevel: level, text, timeMs } = event.value;
        this.#quiet(senderId);
        this.said.add({ kind: 'said', senderId, nickname, level, text, timeMs: Number(timeMs) });
        return this.#later();
      }
      case 'channelSkipped':
        this.#readSoon();
        this.said.add({ kind: 'skipped', count: Number(event.value.count) });
        return this.#later();
      case 'channelPeople':
        return this.#counted(Number(event.value.people), event.value.large, event.value.staff);
      case 'channelJoined':
        return event.value.person && this.#move(personOf(event.value.person).id, personOf(event.value.person));
      case 'channelLeft':
        if (event.value.why === '') return this.#move(event.value.accountId);
        return this.#settle({ phase: 'out', why: event.value.why });
      case 'channelChanged': {
        const { yourLevel, speakLevel, slowModeMs } = event.value;
        const quietUntilMs = slowModeMs > 0n ? this.#value.get().quietUntilMs : 0;
        return this.#value.patch({ yourLevel, speakLevel, slowModeMs: Number(slowModeMs), quietUntilMs });
      }
      case 'typing':
        return this.#writes(event.value.accountId, event.value.nickname);
      default:
    }
  }

  /** counted takes the count of a large room, or that the room has become large or small. */
  #counted(people: number, large: boolean, staff: readonly Present[]): void {
    this.#flush();
    const before = this.#value.get().large;
    if (large && !before) {
      this.#value.patch({ people, large, present: new Map(staff.map((p) => [p.accountId, personOf(p)])) });
    } else this.#value.patch({ people, large });
    if (before && !large) void this.#readPresent(); // everybody is named from now on
  }

  #readSoon(): void {
    if (this.#rereadTimer !== undefined || this.#value.get().large) return;
    this.#rereadTimer = setTimeout(() => {
      this.#rereadTimer = undefined;
      if (this.#value.get().phase === 'inside') void this.#readPresent();
    }, rereadMs);
  }

  #writes(id: bigint, nickname: string): void {
    const status = this.#live.status();
    if (status.phase === 'online' && status.welcome.accountId === id) return;
    clearTimeout(this.#typing.get(id));
    if (!this.#typing.has(id) && this.#typing.size >= mostTyping) return;
    const timer = setTimeout(() => this.#quiet(id), typingMs);
    this.#typing.set(id, timer);
    this.#names.set(id, nickname);
    this.#value.patch({ typing: [...this.#names.values()] });
  }

  #quiet(id: bigint): void {
    if (!this.#typing.has(id)) return;
    clearTimeout(this.#typing.get(id));
    this.#typing.delete(id);
    this.#names.delete(id);
    this.#value.patch({ typing: [...this.#names.values()] });
  }

  /** settle changes the value and forgets why the client was out before. */
  #settle(fields: Partial<RoomValue>): void {
    const { why: _, failure: __, ...rest } = this.#value.get();
    this.#value.set({ ...rest, ...fields });
  }

  #leave(): void {
    this.#live.call('exit', {}).catch(() => {}); // without a connection it is out already
  }

  #move(id: bigint, person?: Person): void {
    const move = person ? { id, person } : { id };
    this.#moves.push(move);
    this.#since?.push(move);
    this.#later();
  }

  #later(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#nextFrame(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#scope.ended) return;
    this.said.flush();
    const moves = this.#moves.splice(0);
    this.#value.update((value) => moved(value, moves));
  }
}

function moved(value: RoomValue, moves: readonly Move[]): RoomValue {
  if (moves.length === 0) return value;
  const present = new Map(value.present);
  let { people } = value;
  for (const { id, person } of moves) {
    const known = present.has(id);
    if (!person) {
      present.delete(id);
      people -= 1;
    } else {
      if (!known) people += 1;
      if (value.large && person.level < Level.MODERATOR) present.delete(id);
      else if (known || present.size < mostPresent) present.set(id, person);
    }
  }
  return { ...value, present, people: value.large ? value.people : Math.max(people, present.size) };
}

function personOf(p: Present): Person {
  return { id: p.accountId, nickname: p.nickname, level: p.level };
}
