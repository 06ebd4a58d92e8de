import type { Clients } from '../api/clients.ts';
import { Role, type MyGroup } from '../api/gen/muster/v1/group_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import type { Activity } from './activity.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

/** OneGroup is a group as its member sees it in the list. */
export interface OneGroup {
  id: bigint;
  name: string;
  about: string;
  ownerId: bigint;
  memberCount: number;
  /** 0: no limit. */
  capacity: number;
  /** The seq of the newest message. */
  head: number;
  role: Role;
  readSeq: number;
  /** When something was last written there, as far as is known. */
  activeMs: number;
}

/** unreadOf counts what the account has not read; its own messages count until they are marked. */
export function unreadOf(group: OneGroup): number {
  return Math.max(0, group.head - group.readSeq);
}

/** unreadInAll counts what is unread in all groups. */
export function unreadInAll({ byId }: GroupsValue): number {
  let sum = 0;
  for (const group of byId.values()) sum += unreadOf(group);
  return sum;
}

export interface GroupsValue {
  /** Whether the list was brought since the page was opened. */
  loaded: boolean;
  byId: ReadonlyMap<bigint, OneGroup>;
}

/** Groups are the account's groups with what is unread, live. */
export class Groups {
  #clients: Clients;
  #live: Live;
  #value = new Store<GroupsValue>({ loaded: false, byId: new Map() });
  #removed = new Set<(groupId: bigint, name: string, why: string) => void>();
  #activity: Activity;
  #load = 0;
  /** What came by the socket while the list was read: newer than the list's pages. */
  #gone = new Set<bigint>();

  constructor(clients: Clients, live: Live, activity: Activity, scope: Scope) {
    this.#clients = clients;
    this.#activity = activity;
    this.#live = live;
    scope.add(live.onStatus((status) => status.phase === 'online' && void this.load()));
    scope.add(live.onEvent((event) => this.#hear(event)));
  }

  get value(): Readable<GroupsValue> {
    return this.#value;
  }

  get(id: bigint): OneGroup | undefined {
    return this.#value.get().byId.get(id);
  }

  /** onRemoved tells that the account is no longer in a group, and why. */
  onRemoved(listener: (groupId: bigint, name: string, why: string) => void): () => void {
    this.#removed.add(listener);
    return () => this.#removed.delete(listener);
  }

  /** load reads the whole list anew; pushes that come meanwhile are not undone by it. */
  async load(): Promise<void> {
    const mine = ++this.#load;
    this.#gone.clear();
    const before = new Set(this.#value.get().byId.keys());
    const found: OneGroup[] = [];
    let pageToken = '';
    do {
      const page = await this.#clients.group.listMyGroups({ pageSize: 500, pageToken });
      if (mine !== this.#load) return;
      found.push(...page.groups.map((mine) => this.#one(mine)).filter((g) => g !== undefined));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    const now = this.#value.get().byId;
    const byId = new Map<bigint, OneGroup>();
    for (const group of found) {
      if (this.#gone.has(group.id)) continue;
      const known = now.get(group.id);
      byId.set(
        group.id,
        known
          ? { ...group, head: Math.max(group.head, known.head), readSeq: Math.max(group.readSeq, known.readSeq) }
          : group,
      );
    }
    for (const [id, group] of now) if (!byId.has(id) && !before.has(id)) byId.set(id, group);
    this.#value.set({ loaded: true, byId });
  }

  /** refresh reads one group again. */
  async refresh(id: bigint): Promise<void> {
    const { group, yourRole: role } = await this.#clients.group.getGroup({ groupId: id });
    if (!group) return;
    const { name, about, ownerId } = group;
    const memberCount = Number(group.memberCount);
    this.#change(id, (known) => ({
      ...known,
      role,
      name,
      about,
      ownerId,
      memberCount,
      capacity: Number(group.capacity),
    }));
  }

  /** put takes a group that a call answered with: a new one, or one that changed. */
  put(mine: MyGroup): void {
    const group = this.#one(mine);
    if (group) this.#value.update(({ loaded, byId }) => ({ loaded, byId: new Map(byId).set(group.id, group) }));
  }

  /** markRead moves the read position forward, here at once and on the server. */
  markRead(id: bigint, seq: number): void {
    const known = this.get(id);
    if (!known || seq <= known.readSeq) return;
    this.#change(id, (group) => ({ ...group, readSeq: seq }));
    // Lost on a broken connection, it is sent again with the next message that is read.
    this.#live.call('read', { groupId: id, seq: BigInt(seq) }).catch(() => {});
  }

  /** raise notes that the log has grown to head. */
  raise(id: bigint, head: number, timeMs = Date.now()): void {
    if ((this.get(id)?.head ?? head) >= head) return;
    const activeMs = this.#activity.note(id, head, timeMs);
    this.#change(id, (group) => ({ ...group, head, activeMs }));
  }

  #hear(event: LiveEvent): void {
    switch (event.case) {
      case 'groupMessage':
        return this.raise(event.value.groupId, Number(event.value.seq), Number(event.value.timeMs));
      case 'groupBehind':
        return this.raise(event.value.groupId, Number(event.value.head));
      case 'readMoved': {
        const readSeq = Number(event.value.readSeq);
        return this.#change(event.value.groupId, (g) => (readSeq > g.readSeq ? { ...g, readSeq } : g));
      }
      case 'groupChanged':
        return void this.refresh(event.value.groupId).catch(() => {}); // the next load brings it
      case 'memberAdded':
        return event.value.mine && this.put(event.value.mine);
      case 'memberRemoved':
        return this.drop(event.value.groupId, event.value.why);
      default:
    }
  }

  /** drop takes a group off the list: the account left it, or was removed. */
  drop(id: bigint, why: string): void {
    this.#gone.add(id);
    this.#activity.forget(id);
    const name = this.get(id)?.name;
    if (name === undefined) return; // known already: the call's answer and the push both tell
    this.#value.update(({ loaded, byId }) => {
      const rest = new Map(byId);
      rest.delete(id);
      return { loaded, byId: rest };
    });
    for (const listener of this.#removed) listener(id, name, why);
  }

  #change(id: bigint, change: (group: OneGroup) => OneGroup): void {
    const known = this.get(id);
    if (!known) return;
    const changed = change(known);
    if (changed === known) return;
    this.#value.update(({ loaded, byId }) => ({ loaded, byId: new Map(byId).set(id, changed) }));
  }

  #one(mine: MyGroup): OneGroup | undefined {
    const { group } = mine;
    if (!group) return undefined;
    const head = Number(group.head);
    return {
      id: group.id,
      name: group.name,
      about: group.about,
      ownerId: group.ownerId,
      memberCount: Number(group.memberCount),
      capacity: Number(group.capacity),
      head,
      role: mine.role,
      readSeq: Number(mine.readSeq),
      activeMs: this.#activity.of(group.id, head, Number(group.createdMs)),
    };
  }
}
