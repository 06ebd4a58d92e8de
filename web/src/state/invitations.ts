import type { Clients } from '../api/clients.ts';
import { Choice, type Invitation } from '../api/gen/muster/v1/enrolment_pb.ts';
import type { Live, LiveEvent } from '../api/live.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';

export { Choice };

export interface OneInvitation {
  id: bigint;
  groupId: bigint;
  groupName: string;
  /** 0n: by hand, not by an enrolment. */
  channelId: bigint;
  channelName: string;
  inviterNickname: string;
  text: string;
  createdMs: number;
  expiresMs: number;
  memberCount: number;
}

export interface InvitationsValue {
  loaded: boolean;
  /** The newest first. */
  open: readonly OneInvitation[];
}

/** Invitations are the questions that wait for the account's answer. */
export class Invitations {
  #clients: Clients;
  #value = new Store<InvitationsValue>({ loaded: false, open: [] });

  constructor(clients: Clients, live: Live, scope: Scope) {
    this.#clients = clients;
    scope.add(live.onStatus((status) => status.phase === 'online' && void this.load().catch(() => {})));
    scope.add(live.onEvent((event) => this.#hear(event)));
  }

  get value(): Readable<InvitationsValue> {
    return this.#value;
  }

  async load(): Promise<void> {
    const found: OneInvitation[] = [];
    let pageToken = '';
    do {
      const page = await this.#clients.enrolment.listMyInvitations({ pageSize: 100, pageToken });
      found.push(...page.invitations.map(oneInvitation));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    this.#value.set({ loaded: true, open: sorted(found) });
  }

  /** answer answers one; it rejects with a Failure, and the invitation stays. */
  async answer(id: bigint, choice: Choice): Promise<void> {
    await this.#clients.enrolment.answerInvitation({ invitationId: id, choice });
    this.#close(id);
  }

  #hear(event: LiveEvent): void {
    if (event.case === 'invitationClosed') this.#close(event.value.invitationId);
    if (event.case !== 'invitation') return;
    const fresh = oneInvitation(event.value);
    this.#value.update(({ loaded, open }) => ({
      loaded,
      open: sorted([fresh, ...open.filter((i) => i.id !== fresh.id)]),
    }));
  }

  #close(id: bigint): void {
    this.#value.update(({ loaded, open }) => ({ loaded, open: open.filter((i) => i.id !== id) }));
  }
}

function sorted(invitations: OneInvitation[]): OneInvitation[] {
  return invitations.sort((a, b) => b.createdMs - a.createdMs);
}

function oneInvitation(i: Invitation): OneInvitation {
  const { id, groupId, groupName, channelId, channelName, inviterNickname, text } = i;
  const times = { createdMs: Number(i.createdMs), expiresMs: Number(i.expiresMs) };
  return {
    id,
    groupId,
    groupName,
    channelId,
    channelName,
    inviterNickname,
    text,
    ...times,
    memberCount: Number(i.groupMemberCount),
  };
}
