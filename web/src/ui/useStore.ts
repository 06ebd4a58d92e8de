import { useEffect, useState, useSyncExternalStore } from 'react';

/** The part of a store of src/state that a component needs. */
interface Source<T> {
  get(): T;
  subscribe(listener: () => void): () => void;
}

/** useStore shows a store's value and renders again when it changes. This is the one way from the state to React. */
export function useStore<T>(source: Source<T>): T {
  return useSyncExternalStore(source.subscribe, source.get);
}

const nothing: Source<undefined> = { get: () => undefined, subscribe: () => () => {} };

/** useStoreMaybe is useStore for a store that may not be there yet. */
export function useStoreMaybe<T>(source: Source<T> | undefined): T | undefined {
  return useStore<T | undefined>(source ?? nothing);
}

/** useNow is the time, renewed every ms milliseconds while on is set: for what counts down. */
export function useNow(ms: number, on: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!on) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms, on]);
  return now;
}
