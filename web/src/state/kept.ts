/**
 * Kept is what outlives the page: the browser's localStorage, which all tabs of the origin share. Each thing has a key
 * of its own, so that tabs never overwrite one another's. Where the browser keeps nothing (storage full or forbidden)
 * the things live as long as the page.
 */
export interface Kept {
  read(key: string): string | undefined;
  /** write keeps a value; undefined forgets it. */
  write(key: string, value: string | undefined): void;
  /** keys lists the keys with a prefix. */
  keys(prefix: string): string[];
  /** onChange tells of changes that other tabs made. */
  onChange(listener: (key: string) => void): () => void;
}

/** browserKept keeps things in a Storage, and in memory what the Storage does not take. */
export function browserKept(storage: Storage | undefined, events: EventTarget): Kept {
  const memory = new Map<string, string>();
  return {
    read: (key) => memory.get(key) ?? storage?.getItem(key) ?? undefined,
    write(key, value) {
      memory.delete(key);
      try {
        if (value === undefined) storage?.removeItem(key);
        else if (storage) storage.setItem(key, value);
        else memory.set(key, value);
      } catch {
        if (value !== undefined) memory.set(key, value); // full: better for a while than not at all
      }
    },
    keys(prefix) {
      const found = new Set(memory.keys());
      for (let i = 0; storage && i < storage.length; i++) found.add(storage.key(i) ?? '');
      return [...found].filter((key) => key.startsWith(prefix)).sort();
    },
    onChange(listener) {
      const hear = (event: Event) => {
        const { key } = event as StorageEvent;
        if (key !== null) listener(key);
      };
      events.addEventListener('storage', hear);
      return () => events.removeEventListener('storage', hear);
    },
  };
}
