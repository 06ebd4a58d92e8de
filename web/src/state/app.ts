import type { Clients, Credentials } from '../api/clients.ts';
import { importRoster } from '../api/importRoster.ts';
import type { Live, LiveStatus } from '../api/live.ts';
import { Activity } from './activity.ts';
import { Channels } from './channels.ts';
import { Drafts } from './drafts.ts';
import { EnrolmentPlan } from './enrolmentPlan.ts';
import { Enrolments } from './enrolments.ts';
import { Folded } from './folded.ts';
import { Groups } from './groups.ts';
import { Invitations } from './invitations.ts';
import type { Kept } from './kept.ts';
import { GroupLog } from './log.ts';
import { Outbox } from './outbox.ts';
import { Preferences } from './preferences.ts';
import { OpenRoom } from './room.ts';
import type { RosterImport } from './rosterImport.ts';
import { Scope } from './scope.ts';
import { deviceName, Session } from './session.ts';
import { Statistics } from './statistics.ts';
import { Store, until, type Readable } from './store.ts';
import { Subgroups } from './subgroups.ts';

/** What the state needs of the world; tests put their own. */
export interface World {
  clients: Clients;
  credentials: Credentials;
  live: Live;
  kept: Kept;
  visible: () => boolean;
  nextFrame: (act: () => void) => void;
  userAgent: string;
  /** Languages that the browser asks for, best first. */
  languages: readonly string[];
}

const typingEveryMs = 4_000;

/** Home is everything that belongs to the account that is signed in; it ends when the session does. */
export class Home {
  readonly clients: Clients;
  readonly live: Live;
  readonly channels: Channels;
  readonly groups: Groups;
  readonly invitations: Invitations;
  readonly outbox: Outbox;
  readonly drafts: Drafts;
  readonly folded: Folded;
  /** The imports of this page's life, by channel: they go on while the person is elsewhere. */
  readonly imports = new Map<bigint, RosterImport>();
  readonly scope: Scope;
  #world: World;
  #typedMs = 0;

  constructor(world: World, accountId: bigint, scope: Scope) {
    const { clients, live, kept } = world;
    this.#world = world;
    this.scope = scope;
    this.clients = clients;
    this.live = live;
    this.groups = new Groups(clients, live, new Activity(kept, accountId, scope), scope);
    this.channels = new Channels(clients, live, scope, world.visible);
    this.invitations = new Invitations(clients, live, scope);
    this.drafts = new Drafts(kept, accountId);
    this.folded = new Folded(kept, accountId);
    scope.add(() => {
      for (const job of this.imports.values()) job.stop();
    });
    this.outbox = new Outbox(live, kept, accountId, scope, ({ groupId, seq }) => {
      // What one wrote oneself is read, if all before it is.
      const group = this.groups.get(groupId);
      if (group && group.readSeq >= seq - 1) this.groups.markRead(groupId, seq);
    });
    scope.add(
      live.onEvent((event) => {
        if (event.case === 'groupMessage') this.outbox.seen(event.value.clientMessageId);
      }),
    );
  }

  /** sendRoster sends lines of a roster (RosterImport). */
  sendRoster(messages: Parameters<typeof importRoster>[1]): ReturnType<typeof importRoster> {
    return importRoster(this.#world.credentials, messages);
  }

  /** typing hints to the others that something is being written, at most every few seconds. */
  typing(where: { channelId?: bigint; groupId?: bigint }): void {
    if (Date.now() - this.#typedMs < typingEveryMs) return;
    this.#typedMs = Date.now();
    this.live.typing(where);
  }

  /** openLog opens a group's log around a seq or at its end; ending the scope closes it. */
  openLog(groupId: bigint, place: number | 'end', scope: Scope): GroupLog {
    return new GroupLog(this.live, groupId, place, scope);
  }

  /** openSubgroups reads a group's subgroups and keeps them up to date until the scope ends. */
  openSubgroups(groupId: bigint, scope: Scope): Subgroups {
    return new Subgroups(this.clients, this.live, groupId, scope);
  }

  /** openEnrolments reads a group's enrolments and keeps them up to date until the scope ends. */
  openEnrolments(groupId: bigint, scope: Scope): Enrolments {
    return new Enrolments(this.clients, this.live, groupId, scope);
  }

  /** openStatistics follows what the server does until the scope ends; for its administrators. */
  openStatistics(scope: Scope): Statistics {
    return new Statistics(this.clients, scope, this.#world.visible);
  }

  /** openPlan goes on with the enrolment that is being prepared for a group. */
  openPlan(groupId: bigint, scope: Scope): EnrolmentPlan {
    return new EnrolmentPlan(this.clients, this.drafts, groupId, scope);
  }

  /** openRoom goes into a channel's room; ending the scope leaves it. */
  openRoom(channelId: bigint, scope: Scope): OpenRoom {
    const room = new OpenRoom(this.live, channelId, scope, this.#world.nextFrame);
    const count = () => {
      const { phase, people } = room.value.get();
      if (phase === 'inside') this.channels.people(channelId, people);
    };
    scope.add(room.value.subscribe(count));
    return room;
  }
}

/** App is the whole state of the client. */
export class App {
  readonly preferences: Preferences;
  readonly session: Session;
  #live: Live;
  #world: World;
  #home = new Store<Home | undefined>(undefined);
  #homeScope: Scope | undefined;
  #connection: Store<LiveStatus>;

  constructor(world: World, scope: Scope) {
    this.#world = world;
    this.#live = world.live;
    this.preferences = new Preferences(world.kept, world.languages);
    this.session = new Session(world.clients, world.credentials, deviceName(world.userAgent));
    this.#connection = new Store(world.live.status());
    scope.add(world.live.onStatus((status) => this.#moved(status)));
    scope.add(this.session.value.subscribe(() => this.#settle()));
    scope.add(() => this.#leave());
  }

  /** home is the account's state while somebody is signed in. */
  get home(): Readable<Home | undefined> {
    return this.#home;
  }

  /** connection is where the live socket is. */
  get connection(): Readable<LiveStatus> {
    return this.#connection;
  }

  retryNow(): void {
    this.#live.retryNow();
  }

  /** ready waits until there is something to show: nobody is signed in, or the account's groups are known. */
  async ready(): Promise<void> {
    const home = this.#home.get();
    if (home) await until(home.groups.value, ({ loaded }) => loaded);
  }

  #moved(status: LiveStatus): void {
    this.#connection.set(status);
    if (status.phase === 'ended') this.session.ended(status.reason || 'session_ended');
  }

  #settle(): void {
    const session = this.session.value.get();
    if (session.phase === 'in' && !this.#homeScope) {
      this.#homeScope = new Scope();
      this.#home.set(new Home(this.#world, session.me.id, this.#homeScope));
      this.#live.start();
    } else if (session.phase !== 'in') this.#leave();
  }

  #leave(): void {
    this.#home.set(undefined);
    this.#homeScope?.end();
    this.#homeScope = undefined;
    this.#live.stop();
  }
}
