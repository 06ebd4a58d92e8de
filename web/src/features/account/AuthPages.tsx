import { useState, type FormEvent } from 'react';

import type { Route } from '../../state/route.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Field } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useRoot } from '../context.tsx';
import { Link } from '../Link.tsx';
import styles from './AuthPages.module.css';

/** AuthPages are what somebody sees who is not signed in. */
export function AuthPages({ route }: { route: Route }) {
  const { t } = useTexts();
  const { app } = useRoot();
  const session = useStore(app.session.value);
  const { language } = useStore(app.preferences.value);
  const other = language === 'en' ? 'zh' : 'en';
  return (
    <main className={styles['auth']}>
      <div className={styles['card']}>
        <header>
          <img src="/favicon.svg" alt="" width={40} height={40} />
          <p className={styles['product']}>{t.shell.product}</p>
          <p>{t.account.lead}</p>
        </header>
        {session.phase === 'out' && session.ended !== '' && <Banner look="warn">{t.account.ended}</Banner>}
        {route.page === 'signup' ? <SignUp /> : <SignIn />}
      </div>
      <Button look="quiet" lang={other} onClick={() => app.preferences.set({ language: other })}>
        {other === 'zh' ? '中文' : 'English'}
      </Button>
    </main>
  );
}

function SignIn() {
  const { t } = useTexts();
  const { app } = useRoot();
  const act = useAct();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  function submit(event: FormEvent) {
    event.preventDefault();
    void act.run(() => app.session.signIn(name.trim(), password));
  }
  return (
    <form className={styles['form']} onSubmit={submit}>
      <h1>{t.account.signIn}</h1>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <NameField value={name} onChange={setName} />
      <Field
        label={t.account.password}
        type="password"
        name="password"
        autoComplete="current-password"
        required
        maxLength={1024}
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Button look="primary" type="submit" busy={act.busy}>
        {t.account.signIn}
      </Button>
      <Link href="/signup">{t.account.toSignUp}</Link>
    </form>
  );
}

/** SignUp makes an account: one's own, the owner's (one-time link of a new server), or one that is claimed. */
function SignUp() {
  const { t } = useTexts();
  const { app, router, setupToken } = useRoot();
  const { language } = useStore(app.preferences.value);
  const act = useAct();
  const [name, setName] = useState('');
  const [nickname, setNickname] = useState('');
  const [password, setPassword] = useState('');
  const claims = setupToken.startsWith('msc_');
  const owns = setupToken !== '' && !claims;
  const title = claims ? t.account.signUpClaim : owns ? t.account.signUpOwner : t.account.signUp;
  async function submit(event: FormEvent) {
    event.preventDefault();
    const fields = { name: name.trim(), nickname: nickname.trim(), password, language, setupToken };
    if (await act.run(() => app.session.signUp(fields))) router.go('/', 'replace');
  }
  return (
    <form className={styles['form']} onSubmit={(event) => void submit(event)}>
      <h1>{title}</h1>
      {owns && <p>{t.account.signUpOwnerLead}</p>}
      {claims && <p>{t.account.signUpClaimLead}</p>}
      {act.error && <Banner look="bad">{act.error}</Banner>}
      {!claims && <NameField value={name} onChange={setName} help={t.account.nameHelp} />}
      <Field
        label={t.account.nickname}
        help={t.account.nicknameHelp}
        name="nickname"
        autoComplete="nickname"
        maxLength={64}
        value={nickname}
        onChange={(event) => setNickname(event.target.value)}
      />
      <Field
        label={t.account.password}
        help={t.account.passwordHelp}
        type="password"
        name="new-password"
        autoComplete="new-password"
        required
        minLength={8}
        maxLength={1024}
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Button look="primary" type="submit" busy={act.busy}>
        {title}
      </Button>
      <Link href="/">{t.account.toSignIn}</Link>
    </form>
  );
}

function NameField({ value, onChange, help }: { value: string; onChange: (value: string) => void; help?: string }) {
  const { t } = useTexts();
  return (
    <Field
      label={t.account.name}
      help={help}
      name="username"
      autoComplete="username"
      autoCapitalize="none"
      spellCheck={false}
      autoFocus
      required
      maxLength={64}
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
