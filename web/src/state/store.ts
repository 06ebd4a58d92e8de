/** Readable is a value that changes and tells of it. A value that was handed out never changes in place. */
export interface Readable<T> {
  get(): T;
  subscribe(listener: () => void): () => void;
}

/** Store is a Readable that its owner sets. Nobody else gets more than the Readable. */
export class Store<T> implements Readable<T> {
  #value: T;
  #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get = (): T => this.#value;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }

  /** patch replaces some fields of a value that is an object. */
  patch(this: Store<T & object>, fields: Partial<T>): void {
    this.set({ ...this.get(), ...fields });
  }
}

/** derived computes a value from another one; the result is kept until the source changes. */
export function derived<S, T>(source: Readable<S>, compute: (value: S) => T): Readable<T> {
  let last: { from: S; to: T } | undefined;
  return {
    get() {
      const from = source.get();
      if (!last || !Object.is(last.from, from)) last = { from, to: compute(from) };
      return last.to;
    },
    subscribe: source.subscribe.bind(source),
  };
}

/** until waits for a value that is as wanted. */
export function until<T>(source: Readable<T>, wanted: (value: T) => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (wanted(source.get())) {
      resolve();
      return;
    }
    const stop = source.subscribe(() => {
      if (!wanted(source.get())) return;
      stop();
      resolve();
    });
  });
}
