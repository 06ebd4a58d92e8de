import { useEffect, useState } from 'react';

import { explain } from '../i18n/explain.ts';
import type { Theme } from '../state/preferences.ts';
import { Button } from '../ui/Button.tsx';
import { EmptyState } from '../ui/EmptyState.tsx';
import { bringReading, ReadingContext, readingOf, useTexts } from '../ui/texts.tsx';
import { ToastPlace } from '../ui/Toast.tsx';
import { useStore } from '../ui/useStore.ts';
import { AuthPages } from './account/AuthPages.tsx';
import { RootContext, useRoot, type Root } from './context.tsx';
import { Shell } from './shell/Shell.tsx';

const darkness = '(prefers-color-scheme: dark)';

/** applyTheme colours the page. */
export function applyTheme(theme: Theme): void {
  const dark = theme === 'system' ? matchMedia(darkness).matches : theme === 'dark';
  document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
}

/** Client is the whole page: the state, the reader's language and theme, and who is signed in. */
export function Client({ root }: { root: Root }) {
  const { language, theme } = useStore(root.app.preferences.value);
  const [reading, setReading] = useState(() => readingOf(language));
  useEffect(() => {
    let wanted = true;
    void bringReading(language).then((found) => {
      if (!wanted) return;
      document.documentElement.lang = found.f.tag;
      setReading(found);
    });
    return () => {
      wanted = false;
    };
  }, [language]);
  useEffect(() => {
    const dark = matchMedia(darkness);
    const follow = () => applyTheme(theme);
    follow();
    dark.addEventListener('change', follow);
    return () => dark.removeEventListener('change', follow);
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
