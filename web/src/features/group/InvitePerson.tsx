import { useEffect, useState } from 'react';

import type { Account } from '../../api/gen/muster/v1/account_pb.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useAct, useHome } from '../context.tsx';
import styles from './MembersPage.module.css';

const typedMs = 250;

/** InvitePerson asks people into a group, found by the account's name; what became of each stands beside them. */
export function InvitePerson({ groupId, onClose }: { groupId: bigint; onClose: () => void }) {
  const { t } = useTexts();
  const { clients } = useHome();
  const act = useAct();
  const [prefix, setPrefix] = useState('');
  const [text, setText] = useState('');
  const [found, setFound] = useState<readonly Account[]>();
  const [told, setTold] = useState<ReadonlyMap<bigint, string>>(new Map());
  useEffect(() => {
    const namePrefix = prefix.trim().toLowerCase();
    let wanted = true;
    const find = async () => {
      const page = namePrefix === '' ? undefined : await clients.account.findAccounts({ namePrefix, pageSize: 20 });
      if (wanted) setFound(page?.accounts);
    };
    const timer = setTimeout(() => void find().catch(() => {}), typedMs); // typing on asks again
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [clients, prefix]);

  async function invite({ id, name, nickname }: Account) {
    const answer = await clients.group.invite({ groupId, accountIds: [id], text: text.trim() });
    const who = nickname || name;
    let words = t.group.invite.skipped(who);
    if (answer.invited > 0n) words = t.group.invite.invited(who);
    else if (answer.alreadyIn > 0n) words = t.group.invite.already(who);
    setTold((all) => new Map(all).set(id, words));
  }
  return (
    <Dialog title={t.group.invite.title} onClose={onClose}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Field
        label={t.group.invite.find}
        help={t.group.invite.hint}
        value={prefix}
        autoComplete="off"
        autoCapitalize="none"
        maxLength={32}
        onChange={(e) => setPrefix(e.target.value)}
      />
      <Field label={t.group.invite.text} value={text} maxLength={500} onChange={(e) => setText(e.target.value)} />
      {found?.length === 0 && <p role="status">{t.group.invite.nobody}</p>}
      <ul className={styles['found']} aria-label={t.group.invite.found}>
        {found?.map((account) => {
          const who = account.nickname || account.name;
          const words = told.get(account.id);
          return (
            <li key={String(account.id)}>
              <Avatar name={who} size="small" />
              <span className={styles['names']}>
                <strong>{who}</strong>
                <small>@{account.name}</small>
              </span>
              {words ? (
                <small role="status">{words}</small>
              ) : (
                <Button
                  busy={act.busy}
                  aria-label={t.group.invite.act(who)}
                  onClick={() => void act.run(() => invite(account))}
                >
                  {t.group.invite.title}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}
