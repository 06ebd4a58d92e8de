import type { Clients } from '../api/clients.ts';
import { Level, type Channel } from '../api/gen/muster/v1/channel_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

/** OneChannel is a channel in the tree. */
export interface OneChannel {
  id: bigint;
  /** 0n: at the top. */
  parentId: bigint;
  name: string;
  about: string;
  joinPolicy: Channel['joinPolicy'];
  speakLevel: Level;
  slowModeMs: number;
  rosterCount: number;
  presentCount: number;
  /** UNSPECIFIED: not on the roster. */
  yourLevel: Level;
}

export interface ChannelsValue {
  loaded: boolean;
  byId: ReadonlyMap<bigint, OneChannel>;
  /** The children of a channel, in the server's order; 0n: the top. Not there: not read yet. */
  children: ReadonlyMap<bigint, readonly bigint[]>;
}

/** So many channels are read without being asked; below them, one level when it is opened. */
const eager = 200;
const refreshMs = 20_000;
/** Channels without others inside seldom get some: they are asked every so many times. */
const leavesEvery = 6;
const together = 4;

/** Channels are the tree of live rooms with how many people are in each. */
export class Channels {
  #clients: Clients;
  #live: Live;
  #value = new Store<ChannelsValue>({ loaded: false, byId: new Map(), children: new Map() });
  #refreshes = 0;

  constructor(clients: Clients, live: Live, scope: Scope, visible: () => boolean) {
    this.#clients = clients;
    this.#live = live;
    scope.add(live.onStatus((status) => status.phase === 'online' && void this.load().catch(() => {})));
    scope.add(live.onEvent((event) => this.#hear(event)));
    // Nothing is pushed about rooms in which the client is not, so the counts are read again now and then.
    scope.every(refreshMs, () => {
      if (!visible() || this.#live.status().phase !== 'online') return;
      this.#refreshes += 1;
      void this.load(this.#refreshes % leavesEvery === 0).catch(() => {});
    });
  }

  get value(): Readable<ChannelsValue> {
    return this.#value;
  }

  get(id: bigint): OneChannel | undefined {
    return this.#value.get().byId.get(id);
  }

  /** load reads the tree from the top, and again whatever of it was read before; without leaves only the counts. */
  async load(leaves = true): Promise<void> {
    const before = this.#value.get().children;
    const read = new Map<bigint, OneChannel[]>();
    const next = [0n];
    let count = 0;
    while (next.length > 0) {
      const parents = next.splice(0, together);
      const levels = await Promise.all(parents.map((parent) => this.#read(parent)));
      for (const [index, found] of levels.entries()) {
        read.set(parents[index] ?? 0n, found);
        for (const { id } of found) {
          count += 1;
          const known = before.get(id);
          if (known ? leaves || known.length > 0 : count <= eager) next.push(id);
        }
      }
    }
    this.#take(read);
  }

  /** open reads the children of a channel. */
  async open(parentId: bigint): Promise<void> {
    this.#take(new Map([[parentId, await this.#read(parentId)]]));
  }

  /** refresh reads one channel again. */
  async refresh(id: bigint): Promise<OneChannel | undefined> {
    const { channel } = await this.#clients.channel.getChannel({ channelId: id });
    if (!channel) return undefined;
    const one = oneChannel(channel);
    this.#put(one);
    return one;
  }

  /** take takes a channel that a call answered with. */
  take(channel: Channel | undefined): void {
    if (channel) this.#put(oneChannel(channel));
  }

  /** people notes how many are in a room. */
  people(id: bigint, presentCount: number): void {
    const known = this.get(id);
    if (known && known.presentCount !== presentCount) this.#put({ ...known, presentCount });
  }

  async #read(parentId: bigint): Promise<OneChannel[]> {
    const found: OneChannel[] = [];
    let pageToken = '';
    do {
      const page = await this.#clients.channel.listChannels({ parentId, pageSize: 200, pageToken });
      found.push(...page.channels.map(oneChannel));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return found;
  }

  #take(read: ReadonlyMap<bigint, readonly OneChannel[]>): void {
    const value = this.#value.get();
    const byId = new Map(value.byId);
    const children = new Map(value.children);
    for (const [parentId, found] of read) {
      const ids = found.map((channel) => channel.id);
      for (const id of children.get(parentId) ?? []) if (!ids.includes(id)) byId.delete(id);
      for (const channel of found) byId.set(channel.id, channel);
      children.set(parentId, ids);
    }
    this.#value.set({ loaded: value.loaded || read.has(0n), byId, children });
  }

  #hear(event: LiveEvent): void {
    if (event.case === 'channelPeople') this.people(event.value.channelId, Number(event.value.people));
    if (event.case !== 'channelChanged') return;
    const { channelId, yourLevel, slowModeMs, speakLevel, name } = event.value;
    const known = this.get(channelId);
    if (known) this.#put({ ...known, yourLevel, speakLevel, slowModeMs: Number(slowModeMs), name: name || known.name });
  }

  #put(channel: OneChannel): void {
    this.#value.update((value) => ({ ...value, byId: new Map(value.byId).set(channel.id, channel) }));
  }
}

/** pathOf lists a channel and those around it, the outermost first. */
export function pathOf(value: ChannelsValue, id: bigint): OneChannel[] {
  const path: OneChannel[] = [];
  for (let at = value.byId.get(id); at && !path.includes(at); at = value.byId.get(at.parentId)) path.unshift(at);
  return path;
}

function oneChannel(c: Channel): OneChannel {
  return {
    id: c.id,
    parentId: c.parentId,
    name: c.name,
    about: c.about,
    joinPolicy: c.joinPolicy,
    speakLevel: c.speakLevel,
    slowModeMs: Number(c.slowModeMs),
    rosterCount: Number(c.rosterCount),
    presentCount: Number(c.presentCount),
    yourLevel: c.yourLevel,
  };
}
