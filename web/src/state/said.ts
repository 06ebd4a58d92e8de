import type { Level } from '../api/gen/muster/v1/channel_pb.ts';
import { Store, type Readable } from './store.ts';

/**
 * Line is what stands in the list of a room.
 * - said: what somebody said.
 * - skipped: how many lines this connection was too slow for.
 * - away: the connection was gone for a while; what was said meanwhile was for those who were there.
 */
export type Line = { key: number } & (
  | { kind: 'said'; senderId: bigint; nickname: string; level: Level; text: string; timeMs: number }
  | { kind: 'skipped'; count: number }
  | { kind: 'away'; fromMs: number }
);

type Unkeyed<T> = T extends unknown ? Omit<T, 'key'> : never;

/** Block are lines that are shown together. Only the last one grows; all others are left alone when lines come. */
export interface Block {
  id: number;
  lines: readonly Line[];
  /** The line before the first one. */
  before: Line | undefined;
}

export interface SaidValue {
  blocks: readonly Block[];
  /** The reader has scrolled back: the lines stand still until they return to the end. */
  held: boolean;
  /** How many lines came since then. */
  fresh: number;
}

const blockLines = 16;
/** What scrolls off is gone: a room keeps nothing, and neither does the page. Some 500 lines. */
const mostBlocks = 32;
/** A page that nobody looks at has few frames: what would scroll off before one is not kept for it. */
const mostUnseen = 2 * mostBlocks * blockLines;

const silence: SaidValue = { blocks: [], held: false, fresh: 0 };

/** Said is what was said in a room while this tab was there. What comes is shown when flush says so: once a frame. */
export class Said {
  #value = new Store<SaidValue>(silence);
  /** All that is kept, also while the reader sees what was there before. */
  #blocks: readonly Block[] = [];
  #unseen: Line[] = [];
  #key = 0;

  get value(): Readable<SaidValue> {
    return this.#value;
  }

  /** add takes a line, to be shown with the next flush. */
  add(line: Unkeyed<Line>): void {
    this.#unseen.push({ ...line, key: ++this.#key });
    if (this.#unseen.length >= mostUnseen) this.#unseen.splice(0, mostUnseen / 2);
  }

  /** flush shows what came since the last one. */
  flush(): void {
    const { length } = this.#unseen;
    if (length === 0) return;
    this.#blocks = appended(this.#blocks, this.#unseen.splice(0));
    const { blocks, held, fresh } = this.#value.get();
    this.#value.set(held ? { blocks, held, fresh: fresh + length } : { blocks: this.#blocks, held, fresh });
  }

  /** hold lets the lines stand still while the reader has scrolled back; what came meanwhile follows then. */
  hold(on: boolean): void {
    if (this.#value.get().held !== on) this.#value.set({ blocks: this.#blocks, held: on, fresh: 0 });
  }

  clear(): void {
    this.#blocks = [];
    this.#unseen = [];
    this.#value.set(silence);
  }
}

/** appended puts lines behind those of the blocks; of these it makes the last one anew, if it was not full. */
function appended(blocks: readonly Block[], fresh: readonly Line[]): Block[] {
  const all: { id: number; lines: Line[]; before: Line | undefined }[] = [];
  const end = blocks.at(-1);
  const open = end && end.lines.length < blockLines ? end : undefined;
  if (open) all.push({ ...open, lines: [...open.lines] });
  for (const line of fresh) {
    const lines = all.at(-1)?.lines;
    const before = (lines ?? end?.lines)?.at(-1);
    if (lines && before?.kind === 'skipped' && line.kind === 'skipped') {
      lines[lines.length - 1] = { ...before, count: before.count + line.count };
    } else if (lines && lines.length < blockLines) lines.push(line);
    else all.push({ id: line.key, lines: [line], before });
  }
  return [...(open ? blocks.slice(0, -1) : blocks), ...all].slice(-mostBlocks);
}
