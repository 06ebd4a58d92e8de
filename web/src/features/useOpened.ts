import { useEffect, useState } from 'react';

import { Scope } from '../state/scope.ts';

/**
 * useOpened opens a part of the state for as long as the component shows it: a room, a log. It is opened after the
 * first rendering, so the first value is undefined. open has to be the same function between renderings (useCallback).
 */
export function useOpened<T>(open: (scope: Scope) => T): T | undefined {
  const [opened, setOpened] = useState<T>();
  useEffect(() => {
    const scope = new Scope();
    setOpened(() => open(scope));
    return () => scope.end();
  }, [open]);
  return opened;
}
