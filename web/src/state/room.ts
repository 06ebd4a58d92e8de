import { failureOf, type Failure } from '../api/errors.ts';
import { Level, type Present } from '../api/gen/muster/v1/channel_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';
import { uuidv7 } from './uuid.ts';

/**
 * Line is what stands in the list of a room.
 * - said: what somebody said.
 * - skipped: how many lines this connection was too slow for.
 * - away: the connection was gone for a while; what was said meanwhile was for those who were there.
 */
export type Line =
  | { key: number; kind: 'said'; senderId: bigint; nickname: string; level: Level; text: string; timeMs: number }
  | { key: number; kind: 'skipped'; count: number }
  | { key: number; kind: 'away'; fromMs: number };

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
  lines: readonly Line[];
  /** The reader has scrolled back: the lines stand still until they return to the end. */
  held: boolean;
  /** How many lines came since then. */
  fresh: number;
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

/** What scrolls off is gone: a room keeps nothing, and neither does the page. */
const mostLines = 500;
/** How many people are named without being asked for. */
const mostPresent = 500;
const mostTyping = 3;
const typingMs = 6_000;
/** A reader that misses notices reads the list of people anew, at most so often. */
const rereadMs = 5_000;

const outside = {
  phase: 'entering',
  lines: [],
  held: false,
  fresh: 0,
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
  #key = 0;
  /** What came since the last frame: a busy room changes the page once a frame, not once a message. */
  #lines: Line[] = [];
  /** What came while the lines stand still. */
  #behind: Line[] = [];
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
      if (this.#cutMs > 0) this.#lines.push({ key: ++this.#key, kind: 'away', fromMs: this.#cutMs });
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
    this.#behind = [];
    this.#settle({ phase: 'out', why: 'left', lines: [], held: false, fresh: 0 });
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

  /** hold lets the lines stand still while the reader has scrolled back; what came meanwhile follows then. */
  hold(on: boolean): void {
    if (this.#value.get().held === on) return;
    this.#value.patch({ held: on, fresh: 0 });
    const behind = this.#behind.splice(0);
    this.#value.update((value) => ({ ...value, lines: joined(value.lines, behind) }));
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
        return this.#add({ key: ++this.#key, kind: 'said', senderId, nickname, level, text, timeMs: Number(timeMs) });
      }
      case 'channelSkipped':
        this.#readSoon();
        return this.#add({ key: ++this.#key, kind: 'skipped', count: Number(event.value.count) });
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

  #add(line: Line): void {
    this.#lines.push(line);
    // A page that nobody looks at has few frames: what scrolls off before one is not kept for it.
    if (this.#lines.length > 2 * mostLines) this.#lines.splice(0, mostLines);
    this.#later();
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

  #spoken(value: RoomValue, lines: readonly Line[]): RoomValue {
    if (lines.length === 0) return value;
    if (!value.held) return { ...value, lines: joined(value.lines, lines) };
    this.#behind = joined(this.#behind, lines);
    return { ...value, fresh: value.fresh + lines.length };
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#scope.ended || (this.#lines.length === 0 && this.#moves.length === 0)) return;
    const lines = this.#lines.splice(0);
    const moves = this.#moves.splice(0);
    this.#value.update((value) => moved(this.#spoken(value, lines), moves));
  }
}

function joined(before: readonly Line[], fresh: readonly Line[]): Line[] {
  const lines = [...before];
  for (const line of fresh) {
    const last = lines.at(-1);
    if (line.kind === 'skipped' && last?.kind === 'skipped') {
      lines[lines.length - 1] = { ...last, count: last.count + line.count };
    } else lines.push(line);
  }
  return lines.slice(-mostLines);
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
