import { Component, type ReactNode } from 'react';

import { Button } from '../../ui/Button.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';

/** Guard keeps a failure of one place from taking the whole page along. */
export class Guard extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? <Failed /> : this.props.children;
  }
}

function Failed() {
  const { t } = useTexts();
  return (
    <EmptyState title={t.shell.failed} action={<Button onClick={() => location.reload()}>{t.shell.reload}</Button>} />
  );
}
