import { ShieldCheck } from 'lucide-react';

import { ServerRole } from '../../api/gen/muster/v1/account_pb.ts';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { Tabs } from '../../ui/Tabs.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useMe, useRoot } from '../context.tsx';
import { Link } from '../Link.tsx';
import { Place } from '../shell/Place.tsx';
import { AccountsPage } from './AccountsPage.tsx';
import { AuditPage } from './AuditPage.tsx';
import { LimitsPage } from './LimitsPage.tsx';
import { StatisticsPage } from './StatisticsPage.tsx';

/** AdminPlace is for the server's administrators. */
export default function AdminPlace({ tab }: { tab: string }) {
  const { t } = useTexts();
  const { router } = useRoot();
  const me = useMe();
  const icon = <ShieldCheck size={18} aria-hidden />;
  if (me.serverRole < ServerRole.ADMIN) {
    return (
      <Place title={t.admin.title} icon={icon}>
        <EmptyState title={t.errors.reasons.not_server_admin} action={<Link href="/">{t.shell.home}</Link>} />
      </Place>
    );
  }
  const pages = [
    { tab: '', label: t.admin.statistics, page: <StatisticsPage /> },
    { tab: 'accounts', label: t.admin.accounts, page: <AccountsPage /> },
    { tab: 'limits', label: t.admin.limits, page: <LimitsPage /> },
    { tab: 'audit', label: t.admin.audit, page: <AuditPage /> },
  ];
  const current = pages.find((one) => one.tab === tab) ?? pages[0];
  return (
    <Place title={t.admin.title} icon={icon}>
      <Tabs
        label={t.admin.title}
        tabs={pages.map((one) => ({
          href: one.tab === '' ? '/admin' : `/admin/${one.tab}`,
          label: one.label,
          current: one === current,
        }))}
        onGo={(to) => router.go(to)}
        across
      />
      {current?.page}
    </Place>
  );
}
