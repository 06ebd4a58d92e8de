import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const program = process.env['MUSTER_TEST_SERVER'] ?? resolve(import.meta.dirname, '../../../bin/muster');

/** password is that of every account that a test makes. */
export const password = 'correct horse battery';

/** Json is an answer of the API; 64-bit numbers are strings, and what is zero is left out. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests read few fields of many answers
export type Json = any;

/** CallError is a call that the server refused. */
export class CallError extends Error {
  code: string;
  constructor(procedure: string, body: Json) {
    super(`${procedure}: ${body.code} ${body.message}`);
    this.code = body.code;
  }
}

/** Person is an account with a session of its own, beside those of its browsers. */
export class Person {
  constructor(
    readonly server: Server,
    readonly id: string,
    readonly name: string,
    readonly nickname: string,
    readonly token: string,
  ) {}

  /** call is a call of the API, such as 'GroupService/Send'. */
  async call(procedure: string, body: object = {}): Promise<Json> {
    const answer = await fetch(`${this.server.url}/muster.v1.${procedure}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.token}` },
      body: JSON.stringify(body),
    });
    const json = await answer.json();
    if (!answer.ok) throw new CallError(procedure, json);
    return json;
  }

  async channel(name: string, fields: object = {}): Promise<string> {
    return (await this.call('ChannelService/CreateChannel', { name, ...fields })).channel.id;
  }

  async group(name: string, fields: object = {}): Promise<string> {
    return (await this.call('GroupService/CreateGroup', { name, ...fields })).group.id;
  }

  async send(groupId: string, text: string): Promise<string> {
    return (await this.call('GroupService/Send', { groupId, clientMessageId: randomUUID(), text })).seq;
  }

  /** joins makes the person a member of a group as an enrolment does, through a channel made for it. */
  async brings(people: Person[], groupId: string): Promise<void> {
    const channelId = await this.channel(`into ${groupId} ${randomUUID().slice(0, 8)}`);
    for (const person of people) await person.call('ChannelService/JoinRoster', { channelId });
    const policies = levels.map((level) => ({ level, policy: 'ENROL_POLICY_DIRECT' }));
    const key = randomUUID();
    const { enrolment } = await this.call('EnrolmentService/StartEnrolment', {
      groupId,
      channelId,
      policies,
      idempotencyKey: key,
    });
    await this.settled(enrolment.id);
    await this.call('ChannelService/DeleteChannel', { channelId });
  }

  /** settled waits for the end of an enrolment. */
  async settled(enrolmentId: string): Promise<Json> {
    for (;;) {
      const { enrolment } = await this.call('EnrolmentService/GetEnrolment', { enrolmentId });
      if (enrolment.state !== 'ENROLMENT_STATE_RUNNING' && enrolment.state !== 'ENROLMENT_STATE_UNDOING')
        return enrolment;
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }
}

/** levels are all levels, the highest first. */
export const levels = ['OWNER', 'ADMIN', 'MODERATOR', 'MEMBER', 'VIP', 'GUEST'].map((name) => `LEVEL_${name}`);

/** Server is a process of the program that people run, with a database of its own in a folder that goes with it. */
export class Server {
  readonly data = mkdtempSync(join(tmpdir(), 'muster-e2e-'));
  url = '';
  setupLink = '';
  #settings: Record<string, string>;
  #process: ChildProcess | undefined;
  #log = '';
  #owner: Person | undefined;
  #people = 0;

  constructor(settings: Record<string, string> = {}) {
    this.#settings = settings;
  }

  /** start runs the program; after a stop or a kill again on the same port. */
  async start(): Promise<this> {
    const listen = this.url ? new URL(this.url).host : '127.0.0.1:0';
    const child = spawn(program, ['serve', '--json', `--listen=${listen}`, `--data=${this.data}`], {
      env: {
        ...process.env,
        MUSTER_ACCOUNTS_ARGON2_MEMORY: '8MiB',
        MUSTER_ACCOUNTS_ARGON2_TIME: '1',
        MUSTER_ACCOUNTS_REGISTRATIONS_PER_ADDRESS: '100000',
        MUSTER_ENROLMENT_PER_GROUP: '1000',
        MUSTER_ENROLMENT_PER_REQUESTER: '10000',
        MUSTER_LIVE_MESSAGES_PER_SECOND: '1000000',
        MUSTER_LIVE_BURST: '1000000',
        ...this.#settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    const first = await new Promise<string>((found, failed) => {
      let out = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text;
        const end = out.indexOf('\n');
        if (end >= 0) found(out.slice(0, end));
      });
      child.once('error', failed);
      child.once('exit', (code) => failed(new Error(`the server ended with ${code}: ${this.#log}`)));
    });
    const { url, setupLink } = JSON.parse(first);
    this.url = url;
    this.setupLink = setupLink ?? '';
    return this;
  }

  /** kill ends the process as a power cut does. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resume) => child.once('exit', resume));
    child.kill(signal);
    await ended;
  }

  /** remove ends the server and takes its folder away. */
  async remove(): Promise<void> {
    await this.kill('SIGKILL');
    rmSync(this.data, { recursive: true, force: true });
  }

  /** owner is the account that opened the one-time link. */
  async owner(): Promise<Person> {
    this.#owner ??= await this.#register('olga', 'Olga', this.setupLink.split('#')[1] ?? '');
    return this.#owner;
  }

  /** person makes an account; what is in its name besides the given word keeps it apart from other tests'. */
  async person(word: string, fields: { nickname?: string } = {}): Promise<Person> {
    await this.owner();
    return this.#register(`${word}.${process.pid}.${++this.#people}`, fields.nickname ?? word, '');
  }

  async people(...words: string[]): Promise<Person[]> {
    const made: Person[] = [];
    for (const word of words) made.push(await this.person(word));
    return made;
  }

  async #register(name: string, nickname: string, setupToken: string): Promise<Person> {
    const nobody = new Person(this, '', '', '', '');
    const { account, token } = await nobody.call('AccountService/Register', {
      name,
      nickname,
      password,
      setupToken,
      device: 'harness',
    });
    return new Person(this, account.id, account.name, account.nickname, token);
  }

  /** session signs a person in once more, as the administrator of the machine may: for another browser of theirs. */
  async session(person: Person, device = 'browser'): Promise<{ token: string; id: string }> {
    const { token, session } = await this.#onSocket('AdminService/IssueSession', { name: person.name, device });
    return { token, id: session.id };
  }

  /** roster brings lines of account, nickname and level into a channel with the command line, making the accounts. */
  async roster(channelId: string, lines: Iterable<string>): Promise<void> {
    const file = join(this.data, `roster-${channelId}.csv`);
    writeFileSync(file, ['account,nickname,level', ...lines].join('\n') + '\n');
    await this.muster('channel', 'import', channelId, file, '--create-accounts');
  }

  /** muster runs the command line beside the server, as its owner. */
  async muster(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(program, args, {
      env: { ...process.env, MUSTER_SERVER_DATA: this.data, LANG: 'C' },
    });
    return stdout;
  }

  #onSocket(procedure: string, body: object): Promise<Json> {
    return new Promise((found, failed) => {
      const call = request(
        {
          socketPath: join(this.data, 'admin.sock'),
          path: `/muster.v1.${procedure}`,
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
        },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
          answer.on('end', () =>
            answer.statusCode === 200 ? found(JSON.parse(text)) : failed(new CallError(procedure, JSON.parse(text))),
          );
        },
      );
      call.on('error', failed).end(JSON.stringify(body));
    });
  }
}
