import { useEffect, useState, type ComponentType, type ReactNode } from 'react';

import { EmptyState } from './EmptyState.tsx';
import styles from './later.module.css';
import { useTexts } from './texts.tsx';
import { useToast } from './Toast.tsx';

// React's lazy and Suspense hold back for 300 ms what was not there at once, if it comes a millisecond later. What is
// made here is shown in the moment its code is there; what was brought before is there in the first frame.

interface Later<Props> {
  (props: Props): ReactNode;
  /** bring fetches the code before anybody asks for it. */
  bring: () => Promise<unknown>;
}

type Load<Props> = () => Promise<ComponentType<Props>>;

/** laterPage makes a part of the page whose code is fetched when it is first shown. If it cannot be, a Guard catches it. */
export function laterPage<Props extends object>(load: Load<Props>): Later<Props> {
  let loaded: ComponentType<Props> | undefined;
  const bring = async () => (loaded ??= await load());

  function Page(props: Props) {
    const [Shown, show] = useState<ComponentType<Props> | undefined>(() => loaded);
    const [failure, fail] = useState<{ error: unknown }>();
    useEffect(() => {
      if (Shown) return;
      let wanted = true;
      void bring().then(
        (found) => wanted && show(() => found),
        (error: unknown) => wanted && fail({ error }),
      );
      return () => {
        wanted = false;
      };
    }, [Shown]);
    if (failure) throw failure.error;
    return Shown ? <Shown {...props} /> : <Waiting />;
  }
  return Object.assign(Page, { bring });
}

/** Waiting says that something is loading, unless it is there soon. */
function Waiting() {
  const { t } = useTexts();
  return (
    <div className={styles['waiting']}>
      <EmptyState title={t.ui.loading} />
    </div>
  );
}

/**
 * laterDialog makes a dialog whose code is fetched when it is first shown. A person who presses Escape meanwhile wants
 * it no more.
 */
export function laterDialog<Props extends { onClose: () => void }>(load: Load<Props>): Later<Props> {
  let loaded: ComponentType<Props> | undefined;
  const bring = async () => (loaded ??= await load());

  function Late(props: Props) {
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
  return Object.assign(Late, { bring });
}
