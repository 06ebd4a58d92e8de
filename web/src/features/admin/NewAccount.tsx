import { useState } from 'react';

import { ServerRole } from '../../api/gen/muster/v1/account_pb.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field, Select } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useAct, useHome, useMe } from '../context.tsx';
import styles from './AdminPlace.module.css';
import { ClaimLink } from './ClaimLink.tsx';
import { grantableRoles, roleName } from './roles.ts';

/** NewAccount makes an account that somebody claims by a link. */
export function NewAccount({ onMade, onClose }: { onMade: () => void; onClose: () => void }) {
  const { t } = useTexts();
  const { clients } = useHome();
  const me = useMe();
  const act = useAct();
  const [name, setName] = useState('');
  const [nickname, setNickname] = useState('');
  const [role, setRole] = useState(ServerRole.USER);
  const [made, setMade] = useState<{ name: string; link: string }>();
  async function create() {
    const answer = await clients.admin.createAccount({
      name: name.trim(),
      nickname: nickname.trim(),
      serverRole: role,
    });
    setMade({ name: answer.account?.name ?? name, link: answer.claimLink });
    onMade();
  }
  return (
    <Dialog title={t.admin.newAccount} onClose={onClose}>
      {made ? (
        <>
          <ClaimLink {...made} />
          <div className={styles['acts']}>
            <Button
              onClick={() => {
                setMade(undefined);
                setName('');
                setNickname('');
              }}
            >
              {t.admin.another}
            </Button>
          </div>
        </>
      ) : (
        <form className={styles['form']} onSubmit={(event) => void (event.preventDefault(), act.run(create))}>
          {act.error && <Banner look="bad">{act.error}</Banner>}
          <Field
            label={t.account.name}
            help={t.account.nameHelp}
            required
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={32}
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
          <Field
            label={t.account.nickname}
            help={t.account.nicknameHelp}
            autoComplete="off"
            maxLength={64}
            value={nickname}
            onChange={(e) => setNickname(e.target.value)}
          />
          <Select label={t.admin.role} value={role} onChange={(e) => setRole(Number(e.target.value) as ServerRole)}>
            {grantableRoles(me.serverRole).map((one) => (
              <option key={one} value={one}>
                {t.admin.roles[roleName(one)]}
              </option>
            ))}
          </Select>
          <Button look="primary" type="submit" busy={act.busy}>
            {t.shell.create}
          </Button>
        </form>
      )}
    </Dialog>
  );
}
