import { useCallback } from 'react';

import type { OneGroup } from '../../state/groups.ts';
import type { Scope } from '../../state/scope.ts';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { laterPage } from '../../ui/later.tsx';
import { Tabs } from '../../ui/Tabs.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useHome, useRoot } from '../context.tsx';
import { useOpened } from '../useOpened.ts';
import styles from './GroupPages.module.css';

const MembersPage = laterPage(async () => (await import('./MembersPage.tsx')).default);
const SubgroupsPage = laterPage(async () => (await import('./SubgroupsPage.tsx')).default);
const SettingsPage = laterPage(async () => (await import('./SettingsPage.tsx')).default);

interface GroupPagesProps {
  group: OneGroup;
  tab: string;
  /** The subgroup that the page is about; 0n: none. */
  item: bigint;
}

/** GroupPages are the pages about a group, beside its messages. */
export default function GroupPages({ group, tab, item }: GroupPagesProps) {
  const { t } = useTexts();
  const home = useHome();
  const { router } = useRoot();
  const subgroups = useOpened(useCallback((scope: Scope) => home.openSubgroups(group.id, scope), [home, group.id]));
  const pages = [
    { tab: '', label: t.group.talk },
    { tab: 'members', label: t.group.membersTitle },
    { tab: 'subgroups', label: t.group.parts.title },
    { tab: 'settings', label: t.group.settings },
  ];
  const tabs = pages.map((page) => ({
    href: `/g/${group.id}${page.tab && `/${page.tab}`}`,
    label: page.label,
    current: page.tab === tab,
  }));
  if (!subgroups) return null;
  return (
    <div className={styles['pages']}>
      <div className={styles['tabs']}>
        <Tabs label={t.group.tabs} tabs={tabs} onGo={(href) => router.go(href)} />
      </div>
      {tab === 'members' && <MembersPage key={String(item)} group={group} subgroups={subgroups} within={item} />}
      {tab === 'subgroups' && <SubgroupsPage group={group} subgroups={subgroups} />}
      {tab === 'settings' && <SettingsPage group={group} />}
      {!pages.some((page) => page.tab === tab) && (
        <EmptyState title={t.shell.notFound}>{t.shell.notFoundHint}</EmptyState>
      )}
    </div>
  );
}
