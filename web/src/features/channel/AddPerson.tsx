import { useEffect, useState } from 'react';

import type { Account } from '../../api/gen/muster/v1/account_pb.ts';
import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import { grantable, standingOf } from '../../state/standing.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field, Select } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useHome, useMe } from '../context.tsx';
import { levelName } from '../levels.ts';
import styles from './RosterPage.module.css';

interface AddPersonProps {
  channel: OneChannel;
  onAdded: () => void;
  onClose: () => void;
}

const typedMs = 250;

/** AddPerson puts one person on the roster, found by the account's name. */
export function AddPerson({ channel, onAdded, onClose }: AddPersonProps) {
  const { t } = useTexts();
  const { clients } = useHome();
  const me = useMe();
  const tell = useToast();
  const act = useAct();
  const [prefix, setPrefix] = useState('');
  const [found, setFound] = useState<readonly Account[]>();
  const levels = grantable(standingOf(channel.yourLevel, me.serverRole), Level.UNSPECIFIED, false);
  const [level, setLevel] = useState<Level>(Level.MEMBER);
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

  async function add(account: Account) {
    const { entry } = await clients.channel.setLevel({ channelId: channel.id, accountId: account.id, level });
    const name = account.nickname || account.name;
    tell(t.channel.person.isNow(name, t.ui.levels[levelName(entry?.level ?? level)]));
    onAdded();
  }
  return (
    <Dialog title={t.channel.add.title} onClose={onClose}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Field
        label={t.channel.add.find}
        help={t.channel.add.hint}
        value={prefix}
        autoComplete="off"
        autoCapitalize="none"
        maxLength={32}
        onChange={(e) => setPrefix(e.target.value)}
      />
      <Select label={t.channel.add.as} value={level} onChange={(e) => setLevel(Number(e.target.value) as Level)}>
        {levels.map((one) => (
          <option key={one} value={one}>
            {t.ui.levels[levelName(one)]}
          </option>
        ))}
      </Select>
      {found?.length === 0 && <p role="status">{t.channel.add.nobody}</p>}
      <ul className={styles['found']} aria-label={t.channel.add.found}>
        {found?.map((account) => (
          <li key={String(account.id)}>
            <Avatar name={account.nickname || account.name} size="small" />
            <span className={styles['names']}>
              <strong>{account.nickname || account.name}</strong>
              <small>@{account.name}</small>
            </span>
            <Button
              className={styles['act']}
              busy={act.busy}
              aria-label={t.channel.add.act(account.nickname || account.name)}
              onClick={() => void act.run(() => add(account))}
            >
              {t.channel.add.short}
            </Button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
