import { Copy } from 'lucide-react';
import { useRef } from 'react';

import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import styles from './AdminPlace.module.css';

/** ClaimLink shows the one-time link by which somebody sets a password; it is shown once. */
export function ClaimLink({ name, link }: { name: string; link: string }) {
  const { t } = useTexts();
  const tell = useToast();
  const field = useRef<HTMLInputElement>(null);
  async function copy() {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(link);
      tell(t.admin.copied);
    } catch {
      tell(t.admin.copyByHand); // no clipboard without encryption: the link is selected
    }
  }
  return (
    <>
      <Banner>{t.admin.claimHint(name)}</Banner>
      <div className={styles['link']}>
        <input ref={field} readOnly aria-label={t.admin.claimLink} value={link} onFocus={(e) => e.target.select()} />
        <Button icon={<Copy size={16} aria-hidden />} onClick={() => void copy()}>
          {t.admin.copy}
        </Button>
      </div>
    </>
  );
}
