import { useEffect, useState } from 'react';

import type { Account } from '../../api/gen/muster/v1/account_pb.ts';
import { explain } from '../../i18n/explain.ts';
import { Pages } from '../../state/pages.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Field } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useHome } from '../context.tsx';
import styles from './Settings.module.css';

/** Blocked lists whom the account blocks, blocks somebody by name, and takes a block back. */
export function Blocked() {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const act = useAct();
  const tell = useToast();
  const [name, setName] = useState('');
  const [unknown, setUnknown] = useState(false);
  const [pages] = useState(
    () =>
      new Pages<Account>(async (pageToken) => {
        const page = await clients.account.listBlocked({ pageSize: 100, pageToken });
        return { rows: page.accounts, next: page.nextPageToken };
      }),
  );
  const { kept, known, done, failure } = useStore(pages.value);
  useEffect(() => pages.show(0, known), [pages, known]);
  async function block() {
    const wanted = name.trim().toLowerCase();
    const { accounts } = await clients.account.findAccounts({ namePrefix: wanted, pageSize: 1 });
    const found = accounts.find((account) => account.name === wanted);
    setUnknown(!found);
    if (!found) return;
    await clients.account.block({ accountId: found.id });
    setName('');
    tell(t.account.isBlocked(found.nickname || found.name));
    pages.again();
  }
  async function unblock(account: Account) {
    await clients.account.unblock({ accountId: account.id });
    tell(t.account.isUnblocked(account.nickname || account.name));
    pages.again();
  }
  return (
    <div className={styles['form']}>
      <p className={styles['soft']}>{t.account.blockedHint}</p>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      {failure && <Banner look="bad">{explain(t, f, failure)}</Banner>}
      <form className={styles['line']} onSubmit={(event) => void (event.preventDefault(), act.run(block))}>
        <Field
          label={t.account.blockName}
          error={unknown ? t.account.noSuchAccount : undefined}
          required
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={32}
          value={name}
          onChange={(event) => {
            setName(event.target.value);
            setUnknown(false);
          }}
        />
        <Button type="submit" busy={act.busy}>
          {t.account.block}
        </Button>
      </form>
      {done && known === 0 && <p role="status">{t.account.blockedNone}</p>}
      {known > 0 && (
        <ul className={styles['sessions']} aria-label={t.account.blocked}>
          {kept
            .flatMap((page) => page.rows)
            .map((account) => (
              <li key={String(account.id)}>
                <Avatar name={account.nickname || account.name} size="small" />
                <div className={styles['device']}>
                  <strong>{account.nickname || account.name}</strong>
                  <small>@{account.name}</small>
                </div>
                <Button
                  disabled={act.busy}
                  aria-label={t.account.unblockNamed(account.nickname || account.name)}
                  onClick={() => void act.run(() => unblock(account))}
                >
                  {t.account.unblock}
                </Button>
              </li>
            ))}
        </ul>
      )}
    </div>
  );
}
