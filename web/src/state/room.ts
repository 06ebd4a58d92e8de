import type { Clients } from '../api/clients.ts';
import { failureOf, type Failure } from '../api/errors.ts';
import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';
import { uuidv7 } from './uuid.ts';

/** Line is what somebody said in the room, or how many lines were missed before the next one. */
export type Line =
  | { key: number; kind: 'said'; senderId: bigint; nickname: string; level: Level; text: string; timeMs: number }
  | { key: number; kind: 'skipped'; count: number };

export interface Person {
  id: bigint;
  nickname: string;
  /** UNSPECIFIED: a visitor. */
  level: Level;
}

export interface RoomValue {
  phase: 'entering' | 'inside' | 'out';
  /** Why the client is out: what the server said when it put it out, or refused to let it in. */
  why?: string;
  failure?: Failure;
  lines: readonly Line[];
  people: number;
  /** In a large room only staff are named as they come and go; the server tells the count. */
  large: boolean;
  /** Who is known to be inside; in a large room only a part. */
  present: ReadonlyMap<bigint, Person>;
  yourLevel: Level;
  speakLevel: Level;
  slowModeMs: number;
  /** Until when slow mode or the server's pace keeps the account from speaking; 0: it may. */
  quietUntilMs: number;
}

/** What scrolls off is gone: a room keeps nothing, and neither does the page. */
const mostLines = 500;
const mostPresent = 500;

/** OpenRoom is the one room in which this tab is. It goes in again by itself when the connection returns. */
export class OpenRoom {
  readonly channelId: bigint;
  #clients: Clients;
  #live: Live;
  #scope: Scope;
  #value = new Store<RoomValue>({
    phase: 'entering',
    lines: [],
    people: 0,
    large: false,
    present: new Map(),
    yourLevel: Level.UNSPECIFIED,
    speakLevel: Level.UNSPECIFIED,
    slowModeMs: 0,
    quietUntilMs: 0,
  });
  #key = 0;
  /** What came since the last frame: a busy room changes the page once a frame, not once a message. */
  #fresh: Line[] = [];
  #flushing = false;
  #nextFrame: (act: () => void) => void;

  constructor(clients: Clients, live: Live, channelId: bigint, scope: Scope, nextFrame: (act: () => void) => void) {
    this.channelId = channelId;
    this.#clients = clients;
    this.#live = live;
    this.#scope = scope;
    this.#nextFrame = nextFrame;
    scope.add(live.onEvent((event) => this.#hear(event)));
    scope.add(
      live.onStatus((status) => {
        const { phase } = this.#value.get();
        if (status.phase === 'online' && phase !== 'out') void this.enter();
        else if (phase === 'inside') this.#value.patch({ phase: 'entering' });
      }),
    );
    scope.add(() => void live.call('exit', {}).catch(() => {})); // without a connection it is out already
    if (live.status().phase === 'online') void this.enter();
  }

  get value(): Readable<RoomValue> {
    return this.#value;
  }

  /** enter goes into the room; after having been put out, only when the person asks for it. */
  async enter(): Promise<void> {
    if (this.#value.get().phase === 'out') this.#again();
    try {
      const entered = await this.#live.call('enter', { channelId: this.channelId });
      if (this.#scope.ended) return;
      const { why: _, failure: __, ...rest } = this.#value.get();
      this.#value.set({
        ...rest,
        phase: 'inside',
        people: Number(entered.people),
        large: entered.large,
        yourLevel: entered.yourLevel,
        speakLevel: entered.speakLevel,
        slowModeMs: Number(entered.slowModeMs),
      });
      await this.#readPresent();
    } catch (error) {
      const failure = failureOf(error);
      if (this.#scope.ended || failure.reason === 'offline' || failure.reason === 'connection_lost') return;
      this.#value.patch({ phase: 'out', failure });
    }
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

  async #readPresent(): Promise<void> {
    try {
      const page = await this.#clients.channel.listPresent({ channelId: this.channelId, pageSize: mostPresent });
      if (this.#scope.ended) return;
      const present = new Map(
        page.people.map((p) => [p.accountId, { id: p.accountId, nickname: p.nickname, level: p.level }]),
      );
      this.#value.patch({ present, people: Math.max(Number(page.total), present.size) });
    } catch {
      // The count stays; names come as people move.
    }
  }

  #hear(event: LiveEvent): void {
    if (!event.value || !('channelId' in event.value) || event.value.channelId !== this.channelId) return;
    switch (event.case) {
      case 'channelMessage': {
        const { senderId, senderNickname: nickname, senderLevel: level, text, timeMs } = event.value;
        return this.#add({ key: ++this.#key, kind: 'said', senderId, nickname, level, text, timeMs: Number(timeMs) });
      }
      case 'channelSkipped':
        return this.#add({ key: ++this.#key, kind: 'skipped', count: Number(event.value.count) });
      case 'channelPeople': {
        const { people, large } = event.value;
        const before = this.#value.get().large;
        this.#value.patch({ people: Number(people), large });
        if (before && !large) void this.#readPresent(); // everybody is named from now on
        return;
      }
      case 'channelJoined': {
        const { person } = event.value;
        return person && this.#join({ id: person.accountId, nickname: person.nickname, level: person.level });
      }
      case 'channelLeft':
        return this.#leave(event.value.accountId, event.value.why);
      case 'channelChanged': {
        const { yourLevel, speakLevel, slowModeMs } = event.value;
        return this.#value.patch({ yourLevel, speakLevel, slowModeMs: Number(slowModeMs) });
      }
      default:
    }
  }

  #join(person: Person): void {
    this.#value.update((value) => {
      if (value.present.size >= mostPresent && !value.present.has(person.id)) return value;
      const people = value.large || value.present.has(person.id) ? value.people : value.people + 1;
      return { ...value, people, present: new Map(value.present).set(person.id, person) };
    });
  }

  #leave(accountId: bigint, why: string): void {
    if (why !== '') {
      this.#value.patch({ phase: 'out', why });
      return;
    }
    this.#value.update((value) => {
      const present = new Map(value.present);
      if (!present.delete(accountId)) return value;
      return { ...value, people: value.large ? value.people : value.people - 1, present };
    });
  }

  #again(): void {
    const { why: _, failure: __, ...rest } = this.#value.get();
    this.#value.set({ ...rest, phase: 'entering' });
  }

  #add(line: Line): void {
    this.#fresh.push(line);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#nextFrame(() => {
      this.#flushing = false;
      const fresh = this.#fresh.splice(0);
      this.#value.update((value) => ({ ...value, lines: [...value.lines, ...fresh].slice(-mostLines) }));
    });
  }
}
