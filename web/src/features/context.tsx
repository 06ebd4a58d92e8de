import { createContext, useContext, useState } from 'react';

import { failureOf } from '../api/errors.ts';
import { explain } from '../i18n/explain.ts';
import type { App, Home } from '../state/app.ts';
import type { Router } from '../state/route.ts';
import type { Me } from '../state/session.ts';
import { useTexts } from '../ui/texts.tsx';
import { useToast } from '../ui/Toast.tsx';
import { useStore } from '../ui/useStore.ts';

export interface Root {
  app: App;
  router: Router;
  /** The one-time token that stood in the address when the page was opened; empty: none. */
  setupToken: string;
}

export const RootContext = createContext<Root | undefined>(undefined);

/** useRoot gives the state to a component. */
export function useRoot(): Root {
  const root = useContext(RootContext);
  if (!root) throw new Error('no state above this component');
  return root;
}

/** useHome gives the signed-in account's state; for pages that are only there while somebody is signed in. */
export function useHome(): Home {
  const home = useStore(useRoot().app.home);
  if (!home) throw new Error('nobody is signed in');
  return home;
}

/** useMe gives the signed-in account. */
export function useMe(): Me {
  const session = useStore(useRoot().app.session.value);
  if (session.phase !== 'in') throw new Error('nobody is signed in');
  return session.me;
}

interface Act {
  /** The act is under way. */
  busy: boolean;
  /** What went wrong the last time, in the reader's words. */
  error: string | undefined;
  /** run does the act, unless one is under way; it tells whether it went well. */
  run: (act: () => Promise<void>) => Promise<boolean>;
  clear: () => void;
}

/** useAct runs one act of a person at a time, and says in words what went wrong. */
export function useAct({ toast = false } = {}): Act {
  const { t, f } = useTexts();
  const tell = useToast();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  async function run(act: () => Promise<void>): Promise<boolean> {
    if (busy) return false;
    setBusy(true);
    setError(undefined);
    try {
      await act();
      return true;
    } catch (thrown) {
      const words = explain(t, f, failureOf(thrown));
      if (toast) tell(words, true);
      else setError(words);
      return false;
    } finally {
      setBusy(false);
    }
  }
  return { busy, error, run, clear: () => setError(undefined) };
}
