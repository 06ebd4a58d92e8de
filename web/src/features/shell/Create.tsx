import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field, TextArea } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useKept } from '../channel/useKept.ts';
import { useAct, useHome, useRoot } from '../context.tsx';
import styles from './Create.module.css';

/** NewGroup asks for what a group needs to begin with. */
export function NewGroup({ onClose, onMade }: { onClose: () => void; onMade?: (groupId: bigint) => void }) {
  const { t } = useTexts();
  const { clients, groups } = useHome();
  const { router } = useRoot();
  const act = useAct();
  const [name, setName, forgetName] = useKept('new-group.name', '');
  const [about, setAbout, forgetAbout] = useKept('new-group.about', '');
  async function create() {
    const { group } = await clients.group.createGroup({ name, about });
    forgetName();
    forgetAbout();
    await groups.load();
    onClose();
    if (group && onMade) onMade(group.id);
    else if (group) router.go(`/g/${group.id}`);
  }
  return (
    <Dialog title={t.shell.newGroup} onClose={onClose}>
      <form className={styles['form']} onSubmit={(event) => void (event.preventDefault(), act.run(create))}>
        {act.error && <Banner look="bad">{act.error}</Banner>}
        <Field
          label={t.shell.name}
          value={name}
          required
          maxLength={100}
          autoFocus
          onChange={(e) => setName(e.target.value)}
        />
        <TextArea label={t.shell.about} value={about} maxLength={1000} onChange={(e) => setAbout(e.target.value)} />
        <Button look="primary" type="submit" busy={act.busy}>
          {t.shell.create}
        </Button>
      </form>
    </Dialog>
  );
}
