import type { Clients } from '../api/clients.ts';
import { Role, type GroupMember } from '../api/gen/muster/v1/group_pb.ts';
import { Pages, type PageOf } from './pages.ts';
import { Store, type Readable } from './store.ts';

/** Member is one person of a group. */
export interface Member {
  id: bigint;
  /** The account's name. */
  name: string;
  nickname: string;
  role: Role;
  /** 0n: in no subgroup. */
  subgroupId: bigint;
  joinedMs: number;
  /** Taken out since the page was read. */
  gone: boolean;
}

/** MemberFilter says which members are shown. */
export interface MemberFilter {
  /** UNSPECIFIED: all. */
  role: Role;
  /** 0n: all. */
  subgroupId: bigint;
  /** The beginning of the account's name. */
  prefix: string;
}

export const everybody: MemberFilter = { role: Role.UNSPECIFIED, subgroupId: 0n, prefix: '' };
const pageSize = 200;

/** Members are a group's members, any number of them, as far as they are looked at. */
export class Members {
  readonly pages: Pages<Member>;
  readonly groupId: bigint;
  #clients: Clients;
  #filter: Store<MemberFilter>;

  constructor(clients: Clients, groupId: bigint, filter: MemberFilter = everybody) {
    this.#clients = clients;
    this.groupId = groupId;
    this.#filter = new Store(filter);
    this.pages = new Pages((token) => this.#page(filter, token));
  }

  get filter(): Readable<MemberFilter> {
    return this.#filter;
  }

  /** show changes what is shown and reads it from the beginning. */
  show(fields: Partial<MemberFilter>): void {
    const filter = { ...this.#filter.get(), ...fields };
    this.#filter.set(filter);
    this.pages.again((token) => this.#page(filter, token));
  }

  /** changed shows somebody differently at once; the place in the list follows when it is read again. */
  changed(id: bigint, fields: Partial<Member>): void {
    this.pages.change((row) => (row.id === id ? { ...row, ...fields } : undefined));
  }

  async #page({ role, subgroupId, prefix }: MemberFilter, pageToken: string): Promise<PageOf<Member>> {
    const request = { groupId: this.groupId, pageSize, role, subgroupId, namePrefix: prefix.trim().toLowerCase() };
    let token = pageToken;
    for (;;) {
      const page = await this.#clients.group.listMembers({ ...request, pageToken: token });
      token = page.nextPageToken;
      // A page may be empty although others follow.
      if (page.members.length > 0 || token === '') return { rows: page.members.map(memberOf), next: token };
    }
  }
}

/** memberOf is a member as it came over the wire. */
export function memberOf(m: GroupMember): Member {
  const { accountId: id, name, nickname, role, subgroupId } = m;
  return { id, name, nickname: nickname || name, role, subgroupId, joinedMs: Number(m.joinedMs), gone: false };
}

/** mayAdminister tells whether a role invites, removes plain members, and changes settings and subgroups. */
export function mayAdminister(mine: Role): boolean {
  return mine >= Role.ADMIN;
}

/** mayTakeOut tells whether a member of role mine may remove somebody else of role theirs. */
export function mayTakeOut(mine: Role, theirs: Role, self: boolean): boolean {
  return !self && mayAdminister(mine) && theirs < mine;
}

/** mayGiveRoles tells whether a member of role mine may change somebody's role, or hand the group over to them. */
export function mayGiveRoles(mine: Role, self: boolean): boolean {
  return !self && mine === Role.OWNER;
}
