import type { Clients, Credentials } from '../api/clients.ts';
import { failureOf, type Failure } from '../api/errors.ts';
import { DirectAdd, ServerRole, type Account, type Session as WireSession } from '../api/gen/muster/v1/account_pb.ts';
import { Store, type Readable } from './store.ts';

/** Me is the account that is signed in. */
export interface Me {
  id: bigint;
  name: string;
  nickname: string;
  about: string;
  language: string;
  directAdd: DirectAdd;
  serverRole: ServerRole;
}

/**
 * SessionValue is who is signed in.
 * - unknown: not asked yet, or the server did not answer (failure).
 * - out: nobody; ended says why a session that was there is no more.
 * - in: somebody; kept is false where the browser keeps no session (plain HTTP from another machine).
 */
export type SessionValue =
  | { phase: 'unknown'; failure?: Failure }
  | { phase: 'out'; ended: string }
  | { phase: 'in'; me: Me; kept: boolean };

/** Session is the signed-in account of this browser. */
export class Session {
  #clients: Clients;
  #credentials: Credentials;
  #device: string;
  #value = new Store<SessionValue>({ phase: 'unknown' });

  constructor(clients: Clients, credentials: Credentials, device: string) {
    this.#clients = clients;
    this.#credentials = credentials;
    this.#device = device;
  }

  get value(): Readable<SessionValue> {
    return this.#value;
  }

  /** me is the account; only for what runs while somebody is signed in. */
  get me(): Me {
    const value = this.#value.get();
    if (value.phase !== 'in') throw new Error('nobody is signed in');
    return value.me;
  }

  /** begin finds out whether the browser holds a session. */
  async begin(): Promise<void> {
    try {
      this.#in(await this.#read(), true);
    } catch (error) {
      const failure = failureOf(error);
      this.#value.set(failure.code === 'unauthenticated' ? { phase: 'out', ended: '' } : { phase: 'unknown', failure });
    }
  }

  async signIn(name: string, password: string): Promise<void> {
    const answer = await this.#clients.account.login({ name, password, device: this.#device });
    await this.#signedIn(answer.token);
  }

  /** signUp makes an account; with a one-time token it is the owner's, or one that an administrator made. */
  async signUp(fields: {
    name: string;
    password: string;
    nickname: string;
    language: string;
    setupToken: string;
  }): Promise<void> {
    const answer = await this.#clients.account.register({ ...fields, device: this.#device });
    await this.#signedIn(answer.token);
  }

  async signOut(): Promise<void> {
    await this.#clients.account.logout({});
    this.ended('');
  }

  /** ended notes that the session is over, and why: a reason of the server, or nothing when the person signed out. */
  ended(reason: string): void {
    this.#credentials.token = '';
    this.#value.set({ phase: 'out', ended: reason });
  }

  /** update changes the account's own settings. */
  async update(fields: Partial<Pick<Me, 'nickname' | 'about' | 'language' | 'directAdd'>>): Promise<void> {
    const { account } = await this.#clients.account.updateProfile(fields);
    const value = this.#value.get();
    if (account && value.phase === 'in') this.#value.set({ ...value, me: meOf(account) });
  }

  /** changePassword ends every other session of the account. */
  async changePassword(oldPassword: string, newPassword: string): Promise<void> {
    await this.#clients.account.changePassword({ oldPassword, newPassword });
  }

  async sessions(): Promise<WireSession[]> {
    return (await this.#clients.account.listSessions({})).sessions;
  }

  async revoke(sessionId: bigint): Promise<void> {
    await this.#clients.account.revokeSession({ sessionId });
  }

  async revokeOthers(): Promise<void> {
    await this.#clients.account.revokeSession({ allOthers: true });
  }

  async #signedIn(token: string): Promise<void> {
    // Did the browser take the cookie? Without it the token lives as long as the page.
    this.#credentials.token = '';
    try {
      this.#in(await this.#read(), true);
    } catch {
      this.#credentials.token = token;
      this.#in(await this.#read(), false);
    }
  }

  async #read(): Promise<Account> {
    const { account } = await this.#clients.account.getAccount({});
    if (!account) throw new Error('an answer without an account');
    return account;
  }

  #in(account: Account, kept: boolean): void {
    this.#value.set({ phase: 'in', me: meOf(account), kept });
  }
}

function meOf(account: Account): Me {
  const { id, name, nickname, about, language, directAdd, serverRole } = account;
  return { id, name, nickname, about, language, directAdd, serverRole };
}

/** deviceName is what the list of sessions calls this browser, such as "Firefox, Linux". */
export function deviceName(userAgent: string): string {
  const find = (names: [RegExp, string][]) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = find([
    [/Edg\//, 'Edge'],
    [/Firefox\//, 'Firefox'],
    [/Chrome\//, 'Chrome'],
    [/Safari\//, 'Safari'],
  ]);
  const system = find([
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Windows/, 'Windows'],
    [/Mac OS X/, 'macOS'],
    [/Linux/, 'Linux'],
  ]);
  return [browser ?? 'Web', system].filter(Boolean).join(', ');
}
