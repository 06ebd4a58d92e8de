import { failureOf, type Failure } from '../api/errors.ts';
import { Store, type Readable } from './store.ts';

/** PageOf is one answer of a list that is read page by page; next is empty at the end. */
export interface PageOf<T> {
  rows: readonly T[];
  next: string;
}

export interface PagesValue<T> {
  /** How many rows are known to be there: those of all pages that were read, kept or not. */
  known: number;
  /** The end of the list is known. */
  done: boolean;
  reading: boolean;
  failure?: Failure;
  /** The pages that are kept, in their order. */
  kept: readonly { start: number; rows: readonly T[] }[];
}

/** A Place is where a page was found: its token, its first row, and how many rows it had. */
interface Place {
  token: string;
  start: number;
  count: number;
}

/** So many pages are kept; the others are read again when they come into view. */
const mostKept = 6;
/** Rows so close to the edge of the view are brought before they are seen. */
const margin = 60;

/**
 * Pages is a list of any length of which only what is looked at is kept. The server gives a page for the token of the
 * one before, so the list becomes known from its beginning on; of a page that is not kept only its token stays.
 */
export class Pages<T> {
  #read: (token: string) => Promise<PageOf<T>>;
  #places: Place[] = [];
  #kept = new Map<number, readonly T[]>();
  #next: string | undefined = '';
  #first = 0;
  #last = 0;
  #turn = 0;
  #value = new Store<PagesValue<T>>({ known: 0, done: false, reading: false, kept: [] });

  constructor(read: (token: string) => Promise<PageOf<T>>) {
    this.#read = read;
  }

  get value(): Readable<PagesValue<T>> {
    return this.#value;
  }

  /** show tells which rows are looked at, and brings what is missing of them. */
  show(first: number, last: number): void {
    this.#first = Math.max(0, first - margin);
    this.#last = last + margin;
    this.#go();
  }

  /** again reads the list from the beginning, if given by another way of reading. */
  again(read?: (token: string) => Promise<PageOf<T>>): void {
    this.#read = read ?? this.#read;
    this.#turn += 1;
    this.#places = [];
    this.#kept.clear();
    this.#next = '';
    this.#first = 0;
    this.#last = margin;
    this.#value.set({ known: 0, done: false, reading: false, kept: [] });
    this.#go();
  }

  /** retry goes on after a failure. */
  retry(): void {
    this.#tell({ reading: false });
    this.#go();
  }

  /** change replaces kept rows; undefined leaves a row as it is. */
  change(change: (row: T) => T | undefined): void {
    for (const [index, rows] of this.#kept) {
      if (!rows.some((row) => change(row) !== undefined)) continue;
      this.#kept.set(
        index,
        rows.map((row) => change(row) ?? row),
      );
    }
    const { reading, failure } = this.#value.get();
    this.#tell({ reading, failure });
  }

  #go(): void {
    const { reading, failure } = this.#value.get();
    const wanted = this.#wanted();
    if (reading || failure || wanted === undefined) return;
    this.#tell({ reading: true });
    void this.#bring(wanted, this.#turn);
  }

  /** wanted is the first page in view that is not kept; the one behind the last known one brings the list on. */
  #wanted(): number | undefined {
    for (let index = this.#pageAt(this.#first); index < this.#places.length; index++) {
      const place = this.#places[index];
      if (!place || place.start > this.#last) return undefined;
      if (!this.#kept.has(index)) return index;
    }
    return this.#next === undefined || this.#known() > this.#last ? undefined : this.#places.length;
  }

  async #bring(index: number, turn: number): Promise<void> {
    const place = this.#places[index];
    const token = place?.token ?? this.#next ?? '';
    try {
      const page = await this.#read(token);
      if (turn !== this.#turn) return;
      if (place) {
        // What has changed since then does not move what is behind it.
        this.#kept.set(index, page.rows.slice(0, place.count));
      } else {
        this.#places.push({ token, start: this.#known(), count: page.rows.length });
        this.#kept.set(index, page.rows);
        this.#next = page.next === '' ? undefined : page.next;
      }
      this.#forget();
      this.#tell({ reading: false });
      this.#go();
    } catch (error) {
      if (turn === this.#turn) this.#tell({ reading: false, failure: failureOf(error) });
    }
  }

  /** forget drops the kept pages that are farthest from the view. */
  #forget(): void {
    const middle = this.#pageAt((this.#first + this.#last) / 2);
    const far = [...this.#kept.keys()].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
    for (const index of far.slice(0, Math.max(0, far.length - mostKept))) this.#kept.delete(index);
  }

  #known(): number {
    const last = this.#places.at(-1);
    return last ? last.start + last.count : 0;
  }

  /** pageAt is the page that holds a row, or the last one. */
  #pageAt(row: number): number {
    let low = 0;
    let high = this.#places.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#places[middle]?.start ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #tell({ reading, failure }: { reading: boolean; failure?: Failure | undefined }): void {
    const kept = [...this.#kept]
      .sort(([a], [b]) => a - b)
      .map(([index, rows]) => ({ start: this.#places[index]?.start ?? 0, rows }));
    const value = { known: this.#known(), done: this.#next === undefined, reading, kept };
    this.#value.set(failure ? { ...value, failure } : value);
  }
}

/** rowAt is a row that is kept, or undefined. */
export function rowAt<T>(value: PagesValue<T>, index: number): T | undefined {
  const page = value.kept.findLast(({ start }) => start <= index);
  return page?.rows[index - page.start];
}
