import { backoffMs } from '../api/backoff.ts';
import { failureOf, type Failure } from '../api/errors.ts';
import type { importRoster } from '../api/importRoster.ts';
import { FileError, readRoster, type FileProblem, type LineProblem, type RosterLine } from './rosterFile.ts';
import { Store, type Readable } from './store.ts';

type Send = (messages: Parameters<typeof importRoster>[1]) => ReturnType<typeof importRoster>;

/** What an import needs of a File. */
interface RosterFile {
  name: string;
  size: number;
  stream: () => ReadableStream<Uint8Array>;
}

/** BadLine is a line that was not taken: problem, if this client found it, or said in the server's words. */
export interface BadLine {
  line: number;
  problem?: LineProblem | 'nobody';
  said?: string;
  /** The beginning of the line. */
  text?: string;
}

/**
 * ImportValue is how far an import is.
 * - waiting: the server did not answer; the same lines are sent again.
 * - failed: the file cannot be read (problem), or the server refused it (failure). What was sent stands.
 */
export interface ImportValue {
  phase: 'idle' | 'running' | 'waiting' | 'done' | 'failed' | 'stopped';
  fileName: string;
  /** Bytes of the file that were sent, of all. */
  sent: number;
  size: number;
  added: number;
  changed: number;
  unchanged: number;
  accountsCreated: number;
  bad: number;
  /** The first thousand of them, by line. */
  badLines: readonly BadLine[];
  problem?: FileProblem;
  failure?: Failure;
}

const nothing: ImportValue = {
  phase: 'idle',
  fileName: '',
  sent: 0,
  size: 0,
  added: 0,
  changed: 0,
  unchanged: 0,
  accountsCreated: 0,
  bad: 0,
  badLines: [],
};

/** One call takes so many lines, in messages of at most so many. */
const callLines = 5_000;
const messageLines = 1_000;
const mostBad = 1_000;

/** RosterImport sends one file to a channel's roster at a time. It goes on while the person looks at other pages. */
export class RosterImport {
  readonly channelId: bigint;
  #send: Send;
  #value = new Store<ImportValue>(nothing);
  #turn = 0;
  #wake: (() => void) | undefined;

  constructor(channelId: bigint, send: Send) {
    this.channelId = channelId;
    this.#send = send;
  }

  get value(): Readable<ImportValue> {
    return this.#value;
  }

  get running(): boolean {
    const { phase } = this.#value.get();
    return phase === 'running' || phase === 'waiting';
  }

  /** start imports a file; one that is under way goes on instead. */
  async start(file: RosterFile, createAccounts: boolean): Promise<void> {
    if (this.running) return;
    const turn = ++this.#turn;
    this.#value.set({ ...nothing, phase: 'running', fileName: file.name, size: file.size });
    try {
      let read = 0;
      const pieces = counted(file.stream(), (bytes) => (read += bytes));
      let batch: RosterLine[] = [];
      for await (const lines of readRoster(pieces, file.name)) {
        for (let at = 0; at < lines.length;) {
          const take = lines.slice(at, at + callLines - batch.length);
          batch.push(...take);
          at += take.length;
          if (batch.length < callLines) break;
          // Of the piece that is being read, as much counts as was taken of it.
          await this.#call(batch, createAccounts, turn);
          if (turn !== this.#turn) return;
          batch = [];
          this.#value.patch({ sent: Math.max(this.#value.get().sent, Math.round(read * (at / lines.length))) });
        }
        if (turn !== this.#turn) return;
      }
      await this.#call(batch, createAccounts, turn);
      if (turn === this.#turn) this.#value.patch({ phase: 'done', sent: file.size });
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof FileError) this.#value.patch({ phase: 'failed', problem: error.problem });
      else if (error instanceof DOMException) this.#value.patch({ phase: 'failed', problem: 'unreadable' });
      else this.#value.patch({ phase: 'failed', failure: failureOf(error) });
    }
  }

  /** stop ends an import; what was sent stands. */
  stop(): void {
    if (!this.running) return;
    this.#turn += 1;
    this.#wake?.();
    this.#value.patch({ phase: 'stopped' });
  }

  /** clear makes room for the next file. */
  clear(): void {
    if (!this.running) this.#value.set(nothing);
  }

  async #call(batch: readonly RosterLine[], createAccounts: boolean, turn: number): Promise<void> {
    const found = batch
      .filter((line) => line.kind === 'bad')
      .map(({ line, problem, text }) => ({ line, problem, text }));
    const people = batch.filter((line) => line.kind === 'person');
    const messages = [];
    for (let at = 0; at === 0 || at < people.length; at += messageLines) {
      const lines = people
        .slice(at, at + messageLines)
        .map(({ line, account, nickname, level }) => ({ line: BigInt(line), account, nickname, level }));
      messages.push(at === 0 ? { channelId: this.channelId, createAccounts, lines } : { lines });
    }
    const answer = people.length > 0 || batch.length === 0 ? await this.#sent(messages, turn) : undefined;
    if (turn !== this.#turn) return;
    const text = new Map(people.map((person) => [person.line, person.account]));
    const said = (answer?.badLines ?? []).map(({ line, problem }): BadLine => {
      const at = Number(line);
      const account = text.get(at) ?? '';
      // What nearly all of them are, in the reader's own language.
      const nobody = problem.startsWith('there is no account named ');
      return nobody ? { line: at, problem: 'nobody', text: account } : { line: at, said: problem, text: account };
    });
    const bad = [...found, ...said].sort((a, b) => a.line - b.line);
    this.#value.update((value) => ({
      ...value,
      added: value.added + Number(answer?.added ?? 0n),
      changed: value.changed + Number(answer?.changed ?? 0n),
      unchanged: value.unchanged + Number(answer?.unchanged ?? 0n),
      accountsCreated: value.accountsCreated + Number(answer?.accountsCreated ?? 0n),
      bad: value.bad + found.length + Number(answer?.bad ?? 0n),
      badLines: value.badLines.length < mostBad ? [...value.badLines, ...bad].slice(0, mostBad) : value.badLines,
    }));
  }

  /** sent sends lines until the server has taken or refused them: a line that was taken already changes nothing. */
  async #sent(messages: Parameters<Send>[0], turn: number): Promise<Awaited<ReturnType<Send>> | undefined> {
    for (let attempt = 0; turn === this.#turn; attempt++) {
      try {
        const answer = await this.#send(messages);
        if (this.#value.get().phase === 'waiting' && turn === this.#turn) this.#value.patch({ phase: 'running' });
        return answer;
      } catch (error) {
        const failure = failureOf(error);
        if (failure.retry === 'never' || failure.code === 'internal') throw failure;
        if (turn !== this.#turn) return undefined;
        this.#value.patch({ phase: 'waiting' });
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          setTimeout(resolve, backoffMs(attempt, failure.retry, failure.retryAfterMs, Math.random));
        });
      }
    }
    return undefined;
  }
}

async function* counted(stream: ReadableStream<Uint8Array>, count: (bytes: number) => void) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      count(value.length);
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {}); // the file is no more
  }
}
