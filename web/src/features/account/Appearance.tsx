import type { Language } from '../../i18n/language.ts';
import { Choices } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useRoot } from '../context.tsx';
import styles from './Settings.module.css';

/** Appearance is this browser's language and theme; the account's language follows, for what the server writes. */
export function Appearance() {
  const { t } = useTexts();
  const { app } = useRoot();
  const act = useAct({ toast: true });
  const { language, theme } = useStore(app.preferences.value);
  function setLanguage(next: Language) {
    app.preferences.set({ language: next });
    void act.run(() => app.session.update({ language: next }));
  }
  return (
    <div className={styles['form']}>
      <Choices
        label={t.account.theme}
        value={theme}
        options={[
          { value: 'system', label: t.account.themeSystem },
          { value: 'light', label: t.account.themeLight },
          { value: 'dark', label: t.account.themeDark },
        ]}
        onChange={(next) => app.preferences.set({ theme: next })}
      />
      <Choices
        label={t.account.language}
        value={language}
        options={[
          { value: 'en', label: 'English' },
          { value: 'zh', label: '中文' },
        ]}
        onChange={setLanguage}
      />
    </div>
  );
}
