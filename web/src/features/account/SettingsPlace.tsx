import { Settings } from 'lucide-react';

import { Banner } from '../../ui/Banner.tsx';
import { Tabs } from '../../ui/Tabs.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useRoot } from '../context.tsx';
import { Page, Place } from '../shell/Place.tsx';
import { Appearance } from './Appearance.tsx';
import { Blocked } from './Blocked.tsx';
import { Password } from './Password.tsx';
import { Profile } from './Profile.tsx';
import { Sessions } from './Sessions.tsx';

/** SettingsPlace is what somebody may set for themselves. */
export default function SettingsPlace({ tab }: { tab: string }) {
  const { t } = useTexts();
  const { app, router } = useRoot();
  const session = useStore(app.session.value);
  const pages = [
    { tab: '', label: t.account.profile, page: <Profile /> },
    { tab: 'appearance', label: t.account.appearance, page: <Appearance /> },
    { tab: 'password', label: t.account.security, page: <Password /> },
    { tab: 'sessions', label: t.account.sessions, page: <Sessions /> },
    { tab: 'blocked', label: t.account.blocked, page: <Blocked /> },
  ];
  const current = pages.find((one) => one.tab === tab) ?? pages[0];
  return (
    <Place title={t.shell.settings} icon={<Settings size={18} aria-hidden />}>
      <Tabs
        label={t.shell.settings}
        tabs={pages.map((one) => ({
          href: one.tab === '' ? '/settings' : `/settings/${one.tab}`,
          label: one.label,
          current: one === current,
        }))}
        onGo={(to) => router.go(to)}
        across
      />
      <Page key={current?.tab}>
        {session.phase === 'in' && !session.kept && <Banner look="warn">{t.account.notKept}</Banner>}
        {current?.page}
      </Page>
    </Place>
  );
}
