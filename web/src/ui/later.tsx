import { useEffect, useState, type ComponentType } from 'react';

import { useTexts } from './texts.tsx';
import { useToast } from './Toast.tsx';

interface Later<Props> {
  (props: Props): React.ReactNode;
  /** bring fetches the dialog before anybody asks for it. */
  bring: () => Promise<unknown>;
}

/**
 * later makes a dialog whose code is fetched when it is first shown. It is not React's lazy because that holds back
 * for 300 ms what was not there at once, and because a person who presses Escape meanwhile wants it no more.
 */
export function later<Props extends { onClose: () => void }>(load: () => Promise<ComponentType<Props>>): Later<Props> {
  let loaded: ComponentType<Props> | undefined;
  const bring = async () => (loaded ??= await load());

  function Later(props: Props) {
    const { onClose } = props;
    const { t } = useTexts();
    const tell = useToast();
    const [Shown, show] = useState<ComponentType<Props> | undefined>(() => loaded);
    useEffect(() => {
      if (Shown) return;
      const gone = new AbortController();
      void bring().then(
        (found) => gone.signal.aborted || show(() => found),
        () => {
          if (gone.signal.aborted) return;
          tell(t.shell.failed, true);
          onClose();
        },
      );
      const onKey = (event: KeyboardEvent) => {
        if (event.key === 'Escape') onClose();
      };
      addEventListener('keydown', onKey, { signal: gone.signal });
      return () => gone.abort();
    }, [Shown, onClose, t, tell]);
    return Shown ? <Shown {...props} /> : null;
  }
  return Object.assign(Later, { bring });
}
