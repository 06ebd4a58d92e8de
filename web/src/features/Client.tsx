import { useEffect, useState } from 'react';

import { explain } from '../i18n/explain.ts';
import { formatOf } from '../i18n/format.ts';
import { loadTexts } from '../i18n/texts.ts';
import { Button } from '../ui/Button.tsx';
import { EmptyState } from '../ui/EmptyState.tsx';
import { ReadingContext, useTexts, type Reading } from '../ui/texts.tsx';
import { ToastPlace } from '../ui/Toast.tsx';
import { useStore } from '../ui/useStore.ts';
import { AuthPages } from './account/AuthPages.tsx';
import { RootContext, useRoot, type Root } from './context.tsx';
import { Shell } from './shell/Shell.tsx';

/** Client is the whole page: the state, the reader's language and theme, and who is signed in. */
export function Client({ root }: { root: Root }) {
  const { language, theme } = useStore(root.app.preferences.value);
  const [reading, setReading] = useState<Reading>();
  useEffect(() => {
    let wanted = true;
    void loadTexts(language).then((t) => {
      if (!wanted) return;
      const f = formatOf(language);
      document.documentElement.lang = f.tag;
      setReading({ t, f });
    });
    return () => {
      wanted = false;
    };
  }, [language]);
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const apply = () => {
      document.documentElement.dataset['theme'] = theme === 'system' ? (dark.matches ? 'dark' : 'light') : theme;
    };
    apply();
    dark.addEventListener('change', apply);
    return () => dark.removeEventListener('change', apply);
  }, [theme]);
  if (!reading) return null;
  return (
    <ReadingContext value={reading}>
      <RootContext value={root}>
        <ToastPlace>
          <Entrance />
        </ToastPlace>
      </RootContext>
    </ReadingContext>
  );
}

function Entrance() {
  const { app, router } = useRoot();
  const { t, f } = useTexts();
  const session = useStore(app.session.value);
  const home = useStore(app.home);
  const route = useStore(router.route);
  if (session.phase === 'unknown') {
    if (!session.failure) return <EmptyState title={t.shell.connecting} />;
    const again = <Button onClick={() => void app.session.begin()}>{t.ui.retry}</Button>;
    return <EmptyState title={explain(t, f, session.failure)} action={again} />;
  }
  if (session.phase === 'out' || !home) return <AuthPages route={route} />;
  return <Shell key={String(session.me.id)} />;
}
