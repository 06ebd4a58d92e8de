import type { Clients } from '../api/clients.ts';
import type { Level, RosterEntry } from '../api/gen/muster/v1/channel_pb.ts';
import { Pages, type PageOf } from './pages.ts';
import { Store, type Readable } from './store.ts';

/** OnRoster is one person of a roster. */
export interface OnRoster {
  id: bigint;
  /** The account's name. */
  name: string;
  nickname: string;
  level: Level;
  joinedMs: number;
  online: boolean;
  /** Taken off since the page was read. */
  gone: boolean;
}

/** RosterFilter says which part of a roster is shown. */
export interface RosterFilter {
  /** undefined: all levels. */
  level: Level | undefined;
  onlineOnly: boolean;
  /** The beginning of the nickname. */
  prefix: string;
}

export const wholeRoster: RosterFilter = { level: undefined, onlineOnly: false, prefix: '' };
const pageSize = 200;

/** Roster is a channel's roster, of any size, as far as it is looked at. */
export class Roster {
  readonly pages: Pages<OnRoster>;
  readonly channelId: bigint;
  #clients: Clients;
  #filter = new Store<RosterFilter>(wholeRoster);

  constructor(clients: Clients, channelId: bigint) {
    this.#clients = clients;
    this.channelId = channelId;
    this.pages = new Pages((token) => this.#page(wholeRoster, token));
  }

  get filter(): Readable<RosterFilter> {
    return this.#filter;
  }

  /** show changes what is shown and reads it from the beginning. */
  show(fields: Partial<RosterFilter>): void {
    const filter = { ...this.#filter.get(), ...fields };
    this.#filter.set(filter);
    this.pages.again((token) => this.#page(filter, token));
  }

  /** changed shows somebody at another level at once; the place in the list follows when it is read again. */
  changed(id: bigint, level: Level): void {
    this.pages.change((row) => (row.id === id && row.level !== level ? { ...row, level, gone: false } : undefined));
  }

  removed(id: bigint): void {
    this.pages.change((row) => (row.id === id && !row.gone ? { ...row, gone: true } : undefined));
  }

  async #page({ level, onlineOnly, prefix }: RosterFilter, pageToken: string): Promise<PageOf<OnRoster>> {
    const levels = level === undefined ? [] : [level];
    const request = { channelId: this.channelId, pageSize, levels, onlineOnly, namePrefix: prefix };
    let token = pageToken;
    for (;;) {
      const page = await this.#clients.channel.listRoster({ ...request, pageToken: token });
      token = page.nextPageToken;
      // A page may be empty although others follow.
      if (page.entries.length > 0 || token === '') return { rows: page.entries.map(onRoster), next: token };
    }
  }
}

/** onRoster is an entry as it came over the wire. */
export function onRoster(e: RosterEntry): OnRoster {
  const { accountId: id, name, nickname, level, online } = e;
  return { id, name, nickname: nickname || name, level, joinedMs: Number(e.joinedMs), online, gone: false };
}
