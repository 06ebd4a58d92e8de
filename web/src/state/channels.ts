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

/** Channels are the tree of live rooms with how many people are in each. */
export class Channels {
  #clients: Clients;
  #live: Live;
  #value = new Store<ChannelsValue>({ loaded: false, byId: new Map(), children: new Map() });

  constructor(clients: Clients, live: Live, scope: Scope, visible: () => boolean) {
    this.#clients = clients;
    this.#live = live;
    scope.add(live.onStatus((status) => status.phase === 'online' && void this.load().catch(() => {})));
    scope.add(live.onEvent((event) => this.#hear(event)));
    // Nothing is pushed about rooms in which the client is not, so the counts are read again now and then.
    scope.every(refreshMs, () => {
      if (visible() && this.#live.status().phase === 'online') void this.load().catch(() => {});
    });
  }

  get value(): Readable<ChannelsValue> {
    return this.#value;
  }

  get(id: bigint): OneChannel | undefined {
    return this.#value.get().byId.get(id);
  }

  /** load reads the tree from the top, and again whatever of it was read before. */
  async load(): Promise<void> {
    const opened = new Set(this.#value.get().children.keys());
    const next = [0n];
    let count = 0;
    while (next.length > 0) {
      const parents = next.splice(0, 4);
      const levels = await Promise.all(parents.map((parent) => this.open(parent)));
      for (const id of levels.flat()) {
        count += 1;
        if (count <= eager || opened.has(id)) next.push(id);
      }
    }
    this.#value.patch({ loaded: true });
  }

  /** open reads the children of a channel and answers with their ids. */
  async open(parentId: bigint): Promise<bigint[]> {
    const found: OneChannel[] = [];
    let pageToken = '';
    do {
      const page = await this.#clients.channel.listChannels({ parentId, pageSize: 200, pageToken });
      found.push(...page.channels.map(oneChannel));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    const ids = found.map((channel) => channel.id);
    const { loaded, byId, children } = this.#value.get();
    const all = new Map(byId);
    for (const id of children.get(parentId) ?? []) all.delete(id);
    for (const channel of found) all.set(channel.id, channel);
    this.#value.set({ loaded, byId: all, children: new Map(children).set(parentId, ids) });
    return ids;
  }

  /** refresh reads one channel again. */
  async refresh(id: bigint): Promise<OneChannel | undefined> {
    const { channel } = await this.#clients.channel.getChannel({ channelId: id });
    if (!channel) return undefined;
    const one = oneChannel(channel);
    this.#put(one);
    return one;
  }

  /** people notes how many are in a room. */
  people(id: bigint, presentCount: number): void {
    const known = this.get(id);
    if (known && known.presentCount !== presentCount) this.#put({ ...known, presentCount });
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
