import { Level } from '../api/gen/muster/v1/channel_pb.ts';

// Roster files as spreadsheets and programs write them: CSV (RFC 4180, also with tabs or semicolons) and JSON Lines. The
// rules are those of the command line (internal/roster); names and nicknames are for the server to judge.

/** Why a line was not taken; the pages put it into words. */
export type LineProblem = 'level' | 'quote' | 'fields' | 'json' | 'object' | 'value' | 'account' | 'long' | 'encoding';

/** Why a whole file cannot be read. */
export type FileProblem = 'utf16' | 'archive' | 'array' | 'header' | 'twice' | 'unreadable';

export type RosterLine =
  | { kind: 'person'; line: number; account: string; nickname: string; level: Level }
  | { kind: 'bad'; line: number; problem: LineProblem; text: string };

/** FileError ends the reading of a file. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly problem: FileProblem;
  constructor(problem: FileProblem) {
    super(problem);
    this.problem = problem;
  }
}

type Field = 'account' | 'nickname' | 'level';

const proper: Partial<Record<string, Field>> = {
  account: 'account',
  账号: 'account',
  nickname: 'nickname',
  昵称: 'nickname',
  level: 'level',
  等级: 'level',
};
const aliases: Partial<Record<string, Field>> = Object.fromEntries([
  ...'account_name username user_name user login 帐号 账户 用户名 用户'.split(' ').map((name) => [name, 'account']),
  ...'nick name display_name 名称 名字 姓名'.split(' ').map((name) => [name, 'nickname']),
  ...'rank role 级别 马甲 身份'.split(' ').map((name) => [name, 'level']),
]) as Partial<Record<string, Field>>;

const levels: Partial<Record<string, Level>> = Object.fromEntries([
  ...'owner 所有者 拥有者 频道主 6'.split(' ').map((name) => [name, Level.OWNER]),
  ...'admin 管理员 管理 5'.split(' ').map((name) => [name, Level.ADMIN]),
  ...'moderator 协管 协管员 4'.split(' ').map((name) => [name, Level.MODERATOR]),
  ...'member 会员 成员 3'.split(' ').map((name) => [name, Level.MEMBER]),
  ...'vip 嘉宾 贵宾 2'.split(' ').map((name) => [name, Level.VIP]),
  ...'guest 游客 访客 1'.split(' ').map((name) => [name, Level.GUEST]),
]) as Partial<Record<string, Level>>;

const mostLine = 64 * 1024;
const excerptLength = 80;

/** readRoster reads a file of any size, a piece at a time; a bad line stops nothing. It throws a FileError. */
export async function* readRoster(
  pieces: AsyncIterable<Uint8Array>,
  fileName: string,
): AsyncGenerator<RosterLine[], void> {
  const decoder = new TextDecoder();
  let reader: Reader | undefined;
  let first = true;
  for await (const piece of pieces) {
    if (first) checkText(piece);
    first = false;
    const text = decoder.decode(piece, { stream: true });
    reader ??= text.trim() === '' ? undefined : readerOf(fileName, text);
    if (reader) yield reader.take(text, false);
  }
  const rest = decoder.decode();
  yield (reader ?? readerOf(fileName, rest)).take(rest, true);
}

function checkText(head: Uint8Array): void {
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) throw new FileError('utf16');
  if (head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4) throw new FileError('archive');
}

function readerOf(fileName: string, text: string): Reader {
  if (/\.(jsonl|ndjson|json)$/i.test(fileName)) return new JsonReader();
  if (/\.(csv|tsv|txt)$/i.test(fileName)) return new CsvReader();
  return /^\s*[{[]/.test(text) ? new JsonReader() : new CsvReader();
}

/** Reader cuts a text that comes in pieces into lines. */
abstract class Reader {
  #rest = '';
  /** Lines that wait: a record may go over several. */
  protected lines: string[] = [];
  /** The number of the first of them. */
  protected number = 1;

  take(text: string, end: boolean): RosterLine[] {
    const cut = (this.#rest + text).split('\n');
    this.#rest = end ? '' : (cut.pop() ?? '');
    if (end && cut.at(-1) === '') cut.pop();
    // A line without an end is not kept beyond what a line may be; it is bad as a whole.
    if (this.#rest.length > 2 * mostLine) this.#rest = this.#rest.slice(0, mostLine + 1);
    for (const line of cut) this.lines.push(line.endsWith('\r') ? line.slice(0, -1) : line);
    const out: RosterLine[] = [];
    let at = 0;
    while (at < this.lines.length) {
      const line = this.lines[at] ?? '';
      let used = 1;
      if (line.length > mostLine) out.push(this.bad('long', line));
      else if (line.trim() !== '') used = this.record(at, end, out);
      if (used === 0) break; // more of the record is to come
      at += used;
      this.number += used;
    }
    this.lines = this.lines.slice(at);
    return out;
  }

  /** record reads what begins at a line, and gives how many lines it took; 0: it goes on in a line to come. */
  protected abstract record(at: number, end: boolean, out: RosterLine[]): number;

  protected bad(problem: LineProblem, text: string): RosterLine {
    return { kind: 'bad', line: this.number, problem, text: excerpt(text) };
  }

  protected person(cells: Partial<Record<Field, string>>, text: string): RosterLine {
    if (text.includes('\uFFFD')) return this.bad('encoding', text);
    const account = (cells.account ?? '').trim();
    if (account === '') return this.bad('account', text);
    const name = (cells.level ?? '').trim().toLowerCase();
    const level = name === '' ? Level.UNSPECIFIED : levels[name];
    if (level === undefined) return this.bad('level', text);
    return { kind: 'person', line: this.number, account, nickname: (cells.nickname ?? '').trim(), level };
  }
}

class CsvReader extends Reader {
  #delimiter = '';
  #columns: Partial<Record<Field, number>> = {};
  #width = 0;

  protected record(at: number, end: boolean, out: RosterLine[]): number {
    let text = this.lines[at] ?? '';
    this.#delimiter ||= [',', '\t', ';'].find((d) => text.includes(d)) ?? ',';
    let cells = cellsOf(text, this.#delimiter);
    let used = 1;
    while (cells === 'open') {
      const more = this.lines[at + used];
      if (more === undefined && !end && text.length <= mostLine) return 0;
      // A quote that is never closed spoils its own line only.
      if (more === undefined || text.length > mostLine) cells = 'quote';
      else {
        text += `\n${more}`;
        used += 1;
        cells = cellsOf(text, this.#delimiter);
      }
    }
    if (cells === 'quote') {
      out.push(this.bad('quote', this.lines[at] ?? ''));
      return 1;
    }
    if (cells.every((cell) => cell.trim() === '')) return used;
    if (this.#width === 0 && this.#header(cells)) return used;
    out.push(this.#person(cells, text));
    return used;
  }

  /** header decides with the first record whether it names the columns. */
  #header(cells: string[]): boolean {
    this.#columns = { account: 0, nickname: 1, level: 2 };
    this.#width = 3;
    if (cells.some((cell) => levels[cell.trim().toLowerCase()] !== undefined)) return false; // somebody called "user"
    const { at, twice } = naming(cells);
    if (Object.keys(at).length === 0) return false;
    if (twice) throw new FileError('twice');
    if (at.account === undefined) throw new FileError('header');
    this.#columns = at;
    this.#width = cells.length;
    return true;
  }

  #person(cells: string[], text: string): RosterLine {
    if (cells.slice(this.#width).some((cell) => cell.trim() !== '')) return this.bad('fields', text);
    const { account, nickname, level } = this.#columns;
    const cell = (index: number | undefined) => (index === undefined ? '' : (cells[index] ?? ''));
    // Exports put an apostrophe before what a spreadsheet would take for a formula.
    const nick = cell(nickname).replace(/^'(?=[=+\-@\t\r])/, '');
    return this.person({ account: cell(account), nickname: nick, level: cell(level) }, text);
  }
}

class JsonReader extends Reader {
  #began = false;

  protected record(at: number, _: boolean, out: RosterLine[]): number {
    const text = this.lines[at] ?? '';
    if (!this.#began && text.trimStart().startsWith('[')) throw new FileError('array');
    this.#began = true;
    out.push(this.#line(text));
    return 1;
  }

  #line(text: string): RosterLine {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.bad('json', text);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.bad('object', text);
    const entries = Object.entries(value).filter(([, one]) => one !== null);
    const { at, twice } = naming(entries.map(([key]) => key));
    if (twice) return this.bad('object', text);
    const cells: Partial<Record<Field, string>> = {};
    for (const field of ['account', 'nickname', 'level'] as const) {
      const index = at[field];
      const one: unknown = index === undefined ? '' : entries[index]?.[1];
      if (typeof one !== 'string' && !Number.isSafeInteger(one)) return this.bad('value', text);
      cells[field] = String(one);
    }
    return this.person(cells, text);
  }
}

/** naming finds which of several names stands for each field: a proper one before another that is understood. */
function naming(names: readonly string[]): { at: Partial<Record<Field, number>>; twice: boolean } {
  const at: Partial<Record<Field, number>> = {};
  const twice = new Set<Field>();
  for (const known of [proper, aliases]) {
    const found: Partial<Record<Field, number>> = {};
    for (const [index, name] of names.entries()) {
      const field = known[name.trim().toLowerCase().replaceAll(/[ -]/g, '_')];
      if (!field || at[field] !== undefined) continue;
      if (found[field] !== undefined) twice.add(field);
      else found[field] = index;
    }
    Object.assign(at, found);
  }
  return { at, twice: twice.size > 0 };
}

/** cellsOf cuts a record; open: a quote is not closed yet, quote: something stands behind one that is. */
function cellsOf(text: string, delimiter: string): string[] | 'open' | 'quote' {
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    at = skipBlanks(text, at, delimiter);
    if (text[at] === '"') {
      const cell = quoted(text, at);
      if (!cell) return 'open';
      cells.push(cell.text);
      at = skipBlanks(text, cell.end, delimiter);
      if (at < text.length && text[at] !== delimiter) return 'quote';
    } else {
      const end = text.indexOf(delimiter, at);
      cells.push(end < 0 ? text.slice(at) : text.slice(at, end));
      at = end < 0 ? text.length : end;
    }
    if (at >= text.length) return cells;
    at += 1;
  }
}

function quoted(text: string, from: number): { text: string; end: number } | undefined {
  let out = '';
  for (let at = from + 1; ;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return undefined;
    out += text.slice(at, quote);
    if (text[quote + 1] !== '"') return { text: out, end: quote + 1 };
    out += '"';
    at = quote + 2;
  }
}

function skipBlanks(text: string, from: number, delimiter: string): number {
  let at = from;
  while ((text[at] === ' ' || text[at] === '\t') && text[at] !== delimiter) at += 1;
  return at;
}

function excerpt(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > excerptLength ? `${line.slice(0, excerptLength)}…` : line;
}
