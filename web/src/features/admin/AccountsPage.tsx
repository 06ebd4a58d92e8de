import { Plus } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import { ServerRole, type Account } from '../../api/gen/muster/v1/account_pb.ts';
import { Pages } from '../../state/pages.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Button } from '../../ui/Button.tsx';
import { Field } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { PagedList } from '../channel/PagedList.tsx';
import { useHome } from '../context.tsx';
import { AccountCard } from './AccountCard.tsx';
import styles from './AdminPlace.module.css';
import { NewAccount } from './NewAccount.tsx';
import { roleName } from './roles.ts';

/** What is typed is looked up when the person has paused so long. */
const typedMs = 250;

/** AccountsPage lists all accounts by name, finds them by its beginning, and opens one. */
export function AccountsPage() {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const [prefix, setPrefix] = useState('');
  const [making, setMaking] = useState(false);
  const [shown, setShown] = useState<Account>();
  const reader = (namePrefix: string) => async (pageToken: string) => {
    const page = await clients.admin.listAccounts({ namePrefix, pageSize: 100, pageToken });
    return { rows: page.accounts, next: page.nextPageToken };
  };
  const [pages] = useState(() => new Pages<Account>(reader('')));
  const typed = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(typed.current), []);
  const wanted = prefix.trim().toLowerCase();
  function find(text: string) {
    setPrefix(text);
    clearTimeout(typed.current);
    typed.current = setTimeout(() => pages.again(reader(text.trim().toLowerCase())), typedMs);
  }
  function changed(account: Account) {
    setShown(account);
    pages.change((row) => (row.id === account.id ? account : undefined));
  }
  return (
    <>
      <div className={styles['bar']}>
        <Field
          label={t.admin.find}
          type="search"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={32}
          value={prefix}
          onChange={(e) => find(e.target.value)}
        />
        <Button look="primary" icon={<Plus size={16} aria-hidden />} onClick={() => setMaking(true)}>
          {t.admin.newAccount}
        </Button>
      </div>
      <PagedList
        pages={pages}
        rowHeight={56}
        label={t.admin.accounts}
        empty={t.admin.nobody}
        keyOf={(account) => String(account.id)}
        render={(account) => (
          <button type="button" className={styles['row']} aria-haspopup="dialog" onClick={() => setShown(account)}>
            <Avatar name={account.nickname || account.name} size="small" />
            <span className={styles['who']}>
              <strong>{account.nickname || account.name}</strong>
              <small>@{account.name}</small>
            </span>
            {account.suspended && (
              <span className={styles['mark']} data-bad>
                {t.admin.suspended}
              </span>
            )}
            {account.serverRole > ServerRole.USER && (
              <span className={styles['mark']}>{t.admin.roles[roleName(account.serverRole)]}</span>
            )}
            <span className={styles['since']}>{f.date(Number(account.createdMs))}</span>
          </button>
        )}
      />
      {shown && <AccountCard account={shown} onChange={changed} onClose={() => setShown(undefined)} />}
      {making && <NewAccount onMade={() => pages.again(reader(wanted))} onClose={() => setMaking(false)} />}
    </>
  );
}
