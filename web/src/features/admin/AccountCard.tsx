import { useState } from 'react';

import type { Account, ServerRole } from '../../api/gen/muster/v1/account_pb.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Select } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useHome, useMe } from '../context.tsx';
import styles from './AdminPlace.module.css';
import { ClaimLink } from './ClaimLink.tsx';
import { grantableRoles, mayChange, roleName } from './roles.ts';

interface AccountCardProps {
  account: Account;
  onChange: (account: Account) => void;
  onClose: () => void;
}

type Change = Omit<Parameters<ReturnType<typeof useHome>['clients']['admin']['setAccount']>[0], 'accountId'>;

/** AccountCard shows an account to an administrator, with what may be done to it. */
export function AccountCard({ account, onChange, onClose }: AccountCardProps) {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const me = useMe();
  const act = useAct();
  const tell = useToast();
  const [asking, setAsking] = useState<'suspend' | 'reset'>();
  const [link, setLink] = useState('');
  const nickname = account.nickname || account.name;
  const self = account.id === me.id;
  const may = mayChange(me.serverRole, account.serverRole) && !self;

  async function set(change: Change, told: string) {
    const done = await act.run(async () => {
      const answer = await clients.admin.setAccount({ accountId: account.id, ...change });
      if (answer.account) onChange(answer.account);
      setLink(answer.claimLink);
    });
    if (!done) return;
    setAsking(undefined);
    tell(told);
  }
  const suspend = () => void set({ suspended: true }, t.admin.isSuspended(nickname));
  const reset = () => void set({ resetPassword: true }, t.admin.isReset(nickname));
  const roles = [...new Set([...grantableRoles(me.serverRole), account.serverRole])].sort();
  return (
    <Dialog title={nickname} onClose={onClose}>
      <div className={styles['head']}>
        <Avatar name={nickname} level="member" size="large" />
        <div className={styles['who']}>
          <strong>@{account.name}</strong>
          <small>{t.admin.createdAt(f.dateTime(Number(account.createdMs)))}</small>
          <small>{t.admin.roles[roleName(account.serverRole)]}</small>
        </div>
        {account.suspended && (
          <span className={styles['mark']} data-bad>
            {t.admin.suspended}
          </span>
        )}
      </div>
      {account.about && <p>{account.about}</p>}
      {act.error && <Banner look="bad">{act.error}</Banner>}
      {self && <p className={styles['soft']}>{t.admin.thisIsYou}</p>}
      {!self && !may && <p className={styles['soft']}>{t.admin.outranked}</p>}
      {may && (
        <Select
          label={t.admin.role}
          help={t.admin.roleHint}
          value={account.serverRole}
          disabled={act.busy}
          onChange={(e) => {
            const serverRole = Number(e.target.value) as ServerRole;
            void set({ serverRole }, t.admin.isNow(nickname, t.admin.roles[roleName(serverRole)]));
          }}
        >
          {roles.map((one) => (
            <option key={one} value={one}>
              {t.admin.roles[roleName(one)]}
            </option>
          ))}
        </Select>
      )}
      {link && <ClaimLink name={account.name} link={link} />}
      {asking && <Banner look="warn">{t.admin.sure[asking](nickname)}</Banner>}
      {may && (
        <div className={styles['acts']}>
          {asking ? (
            <>
              <Button onClick={() => setAsking(undefined)}>{t.ui.cancel}</Button>
              <Button look="danger" busy={act.busy} onClick={asking === 'suspend' ? suspend : reset}>
                {t.admin[asking]}
              </Button>
            </>
          ) : (
            <>
              <Button onClick={() => setAsking('reset')}>{t.admin.reset}</Button>
              {account.suspended ? (
                <Button busy={act.busy} onClick={() => void set({ suspended: false }, t.admin.isRestored(nickname))}>
                  {t.admin.restore}
                </Button>
              ) : (
                <Button onClick={() => setAsking('suspend')}>{t.admin.suspend}</Button>
              )}
            </>
          )}
        </div>
      )}
    </Dialog>
  );
}
