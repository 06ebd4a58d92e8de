import { useState, type FormEvent } from 'react';

import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Field } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useMe, useRoot } from '../context.tsx';
import styles from './Settings.module.css';

/** Password changes the password, which ends every other session. */
export function Password() {
  const { t } = useTexts();
  const { app } = useRoot();
  const me = useMe();
  const act = useAct();
  const tell = useToast();
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!(await act.run(() => app.session.changePassword(old, next)))) return;
    setOld('');
    setNext('');
    tell(t.account.passwordChanged);
  }
  return (
    <form className={styles['form']} onSubmit={(event) => void submit(event)}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      {/* For what keeps passwords: it asks which account the new one is of. */}
      <input
        className="visually-hidden"
        name="username"
        autoComplete="username"
        value={me.name}
        readOnly
        tabIndex={-1}
        aria-hidden
      />
      <Field
        label={t.account.oldPassword}
        type="password"
        autoComplete="current-password"
        required
        maxLength={1024}
        value={old}
        onChange={(event) => setOld(event.target.value)}
      />
      <Field
        label={t.account.newPassword}
        help={`${t.account.passwordHelp} ${t.account.passwordHint}`}
        type="password"
        autoComplete="new-password"
        required
        minLength={8}
        maxLength={1024}
        value={next}
        onChange={(event) => setNext(event.target.value)}
      />
      <Button look="primary" type="submit" busy={act.busy}>
        {t.account.changePassword}
      </Button>
    </form>
  );
}
