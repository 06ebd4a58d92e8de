import { useState, type FormEvent } from 'react';

import { DirectAdd } from '../../api/gen/muster/v1/account_pb.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Choices, Field, TextArea } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useMe, useRoot } from '../context.tsx';
import styles from './Settings.module.css';

/** Profile is how others see the account, and who may add it to groups. */
export function Profile() {
  const { t } = useTexts();
  const { app } = useRoot();
  const me = useMe();
  const act = useAct();
  const tell = useToast();
  const [nickname, setNickname] = useState(me.nickname);
  const [about, setAbout] = useState(me.about);
  const [directAdd, setDirectAdd] = useState(me.directAdd);
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await act.run(() => app.session.update({ nickname, about, directAdd }))) tell(t.ui.saved);
  }
  return (
    <form className={styles['form']} onSubmit={(event) => void submit(event)}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Field label={t.account.nickname} value={nickname} maxLength={64} onChange={(e) => setNickname(e.target.value)} />
      <TextArea label={t.account.about} value={about} maxLength={1000} onChange={(e) => setAbout(e.target.value)} />
      <Choices
        label={t.account.directAdd}
        help={t.account.directAddHint}
        value={directAdd}
        options={[
          { value: DirectAdd.ALLOW, label: t.account.directAddAllow, help: t.account.directAddAllowMeans },
          { value: DirectAdd.ASK, label: t.account.directAddAsk, help: t.account.directAddAskMeans },
          { value: DirectAdd.REFUSE, label: t.account.directAddRefuse, help: t.account.directAddRefuseMeans },
        ]}
        onChange={setDirectAdd}
      />
      <Button look="primary" type="submit" busy={act.busy}>
        {t.ui.save}
      </Button>
    </form>
  );
}
