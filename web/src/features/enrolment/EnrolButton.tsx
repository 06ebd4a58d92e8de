import { UserPlus } from 'lucide-react';

import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useRoot } from '../context.tsx';
import styles from './EnrolButton.module.css';

/** EnrolButton leads from a channel or a group to where people are brought in. */
export function EnrolButton({ to }: { to: string }) {
  const { t } = useTexts();
  const { router } = useRoot();
  return (
    <Button
      className={styles['enrol']}
      title={t.enrolment.enrol}
      icon={<UserPlus size={16} aria-hidden />}
      onClick={() => router.go(to)}
    >
      <span>{t.enrolment.enrol}</span>
    </Button>
  );
}
