import { useEffect, useState } from 'react';

import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useNow, useStore } from '../../ui/useStore.ts';
import { useRoot } from '../context.tsx';

/** A connection that is back within this time was never missed. */
const patienceMs = 1_500;

/** ConnectionBanner says when the page is cut off, and when the next attempt is. */
export function ConnectionBanner() {
  const { app } = useRoot();
  const { t, f } = useTexts();
  const connection = useStore(app.connection);
  const away = connection.phase === 'waiting' || connection.phase === 'connecting';
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!away) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), patienceMs);
    return () => clearTimeout(timer);
  }, [away]);
  useNow(1_000, shown);
  if (!shown) return null;
  if (!navigator.onLine) return <Banner look="warn">{t.shell.offline}</Banner>;
  if (connection.phase !== 'waiting') return <Banner look="warn">{t.shell.connecting}</Banner>;
  const action = (
    <Button look="quiet" onClick={() => app.retryNow()}>
      {t.shell.retryNow}
    </Button>
  );
  return (
    <Banner look="warn" action={action}>
      {t.shell.reconnecting(f.fromNow(Math.max(connection.retryAtMs, Date.now() + 1_000)))}
    </Banner>
  );
}
