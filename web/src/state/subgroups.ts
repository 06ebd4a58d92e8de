import type { Clients } from '../api/clients.ts';
import { failureOf, type Failure } from '../api/errors.ts';
import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import type { Subgroup } from '../api/gen/muster/v1/group_pb.ts';
import type { Live } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

/** OneSubgroup is a named part of a group's members. */
export interface OneSubgroup {
  id: bigint;
  name: string;
  memberCount: number;
  /** The levels that land here. */
  levels: readonly Level[];
  /** People of a level without a mapping land here. */
  isDefault: boolean;
}

export interface SubgroupsValue {
  loaded: boolean;
  all: readonly OneSubgroup[];
  failure?: Failure;
}

/** LevelMap says which level lands in which subgroup; a level that it lacks lands in the default one (0n: none). */
export interface LevelMap {
  levels: ReadonlyMap<Level, bigint>;
  fallback: bigint;
}

/** Changes of a group that come faster than this are read once. */
const calmMs = 500;

/** Subgroups are a group's subgroups and level map, live while its scope lasts. */
export class Subgroups {
  readonly groupId: bigint;
  #clients: Clients;
  #scope: Scope;
  #value = new Store<SubgroupsValue>({ loaded: false, all: [] });
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading = 0;

  constructor(clients: Clients, live: Live, groupId: bigint, scope: Scope) {
    this.#clients = clients;
    this.groupId = groupId;
    this.#scope = scope;
    scope.add(live.onStatus((status) => status.phase === 'online' && void this.load()));
    scope.add(
      live.onEvent((event) => {
        if (event.case === 'groupChanged' && event.value.groupId === groupId) this.#soon();
      }),
    );
    scope.add(() => clearTimeout(this.#timer));
    void this.load();
  }

  get value(): Readable<SubgroupsValue> {
    return this.#value;
  }

  /** load reads the subgroups anew; what fails stands in the value. */
  async load(): Promise<void> {
    const mine = ++this.#reading;
    try {
      const { subgroups } = await this.#clients.group.getGroup({ groupId: this.groupId });
      if (mine === this.#reading && !this.#scope.ended) this.#take(subgroups);
    } catch (error) {
      if (mine !== this.#reading || this.#scope.ended) return;
      this.#value.set({ ...this.#value.get(), failure: failureOf(error) });
    }
  }

  async create(name: string): Promise<void> {
    await this.#clients.group.createSubgroup({ groupId: this.groupId, name });
    await this.load();
  }

  async rename(subgroupId: bigint, name: string): Promise<void> {
    await this.#clients.group.renameSubgroup({ groupId: this.groupId, subgroupId, name });
    await this.load();
  }

  async remove(subgroupId: bigint): Promise<void> {
    await this.#clients.group.deleteSubgroup({ groupId: this.groupId, subgroupId });
    await this.load();
  }

  /** move puts a member into a subgroup; 0n: into none. */
  async move(accountId: bigint, subgroupId: bigint): Promise<void> {
    await this.#clients.group.moveMembers({ groupId: this.groupId, accountIds: [accountId], subgroupId });
    await this.load();
  }

  async setLevelMap({ levels, fallback }: LevelMap): Promise<void> {
    const mappings = [...levels].map(([level, subgroupId]) => ({ level, subgroupId }));
    const request = { groupId: this.groupId, mappings, defaultSubgroupId: fallback };
    const { subgroups } = await this.#clients.group.setLevelMap(request);
    this.#reading += 1; // what is being read may be older
    this.#take(subgroups);
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.load();
    }, calmMs);
  }

  #take(subgroups: readonly Subgroup[]): void {
    const all = subgroups.map(({ id, name, memberCount, levels, isDefault }) => ({
      id,
      name,
      memberCount: Number(memberCount),
      levels,
      isDefault,
    }));
    this.#value.set({ loaded: true, all });
  }
}

/** levelMapOf reads the level map out of the subgroups. */
export function levelMapOf(all: readonly OneSubgroup[]): LevelMap {
  const levels = new Map(all.flatMap(({ id, levels: here }) => here.map((level) => [level, id] as const)));
  return { levels, fallback: all.find(({ isDefault }) => isDefault)?.id ?? 0n };
}

/** sameLevelMap tells whether two maps bring everybody to the same place. */
export function sameLevelMap(a: LevelMap, b: LevelMap): boolean {
  if (a.fallback !== b.fallback || a.levels.size !== b.levels.size) return false;
  return [...a.levels].every(([level, id]) => b.levels.get(level) === id);
}
