import type { Clients } from '../api/clients.ts';
import { failureOf } from '../api/errors.ts';
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

/**
 * Outcome is what became of an invitation while the page was there.
 * - accepted, declined: the answer, given here.
 * - closed: answered on another device, or withdrawn.
 */
export type Outcome = 'accepted' | 'declined' | 'closed';

export interface InvitationsValue {
  loaded: boolean;
  /** The newest first. */
  open: readonly OneInvitation[];
  /** What was open since the page was loaded and is not any more, the last one first. */
  past: readonly { invitation: OneInvitation; outcome: Outcome }[];
}

const mostPast = 20;

/** Refusals that say that an invitation is not open any more. */
const over = new Set(['already_answered', 'invitation_expired', 'invitation_withdrawn', 'invitation_not_found']);

/** Invitations are the questions that wait for the account's answer. */
export class Invitations {
  #clients: Clients;
  /** Answers that are under way: the server tells of them to this device too. */
  #answering = new Map<bigint, Outcome>();
  #arrivals = new Set<(invitation: OneInvitation) => void>();
  #value = new Store<InvitationsValue>({ loaded: false, open: [], past: [] });

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
    this.#value.patch({ loaded: true, open: sorted(found) });
  }

  /** onArrival tells of an invitation that comes while the page is there. */
  onArrival(listener: (invitation: OneInvitation) => void): () => void {
    this.#arrivals.add(listener);
    return () => this.#arrivals.delete(listener);
  }

  /** answer answers one; it rejects with a Failure, and the invitation stays if it is still open. */
  async answer(id: bigint, choice: Choice): Promise<void> {
    const outcome = choice === Choice.ACCEPT ? 'accepted' : 'declined';
    this.#answering.set(id, outcome);
    try {
      await this.#clients.enrolment.answerInvitation({ invitationId: id, choice });
      this.#close(id, outcome);
    } catch (error) {
      const failure = failureOf(error);
      if (over.has(failure.reason)) this.#close(id, 'closed');
      throw failure;
    } finally {
      this.#answering.delete(id);
    }
  }

  #hear(event: LiveEvent): void {
    if (event.case === 'invitationClosed') {
      const id = event.value.invitationId;
      this.#close(id, this.#answering.get(id) ?? 'closed');
    }
    if (event.case !== 'invitation') return;
    const fresh = oneInvitation(event.value);
    const known = this.#value.get().open.some((i) => i.id === fresh.id);
    this.#value.update((value) => ({
      ...value,
      open: sorted([fresh, ...value.open.filter((i) => i.id !== fresh.id)]),
    }));
    if (!known) for (const listener of [...this.#arrivals]) listener(fresh);
  }

  #close(id: bigint, outcome: Outcome): void {
    const invitation = this.#value.get().open.find((i) => i.id === id);
    if (!invitation) return;
    this.#value.update(({ loaded, open, past }) => ({
      loaded,
      open: open.filter((i) => i.id !== id),
      past: [{ invitation, outcome }, ...past].slice(0, mostPast),
    }));
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
