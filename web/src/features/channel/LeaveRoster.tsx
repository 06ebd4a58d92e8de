import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { useTexts } from '../../ui/texts.tsx';

interface LeaveRosterProps {
  name: string;
  /** The account is the last owner: somebody else has to be one first. */
  handOver: boolean;
  busy: boolean;
  onLeave: () => void;
  onRoster: () => void;
  onClose: () => void;
}

/** LeaveRoster asks whether somebody means it, and says what to do where it does not go. */
export default function LeaveRoster({ name, handOver, busy, onLeave, onRoster, onClose }: LeaveRosterProps) {
  const { t } = useTexts();
  const act = handOver ? (
    <Button look="primary" onClick={onRoster}>
      {t.channel.toRoster}
    </Button>
  ) : (
    <Button look="danger" busy={busy} onClick={onLeave}>
      {t.channel.leave}
    </Button>
  );
  return (
    <Dialog
      title={t.channel.leave}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t.ui.cancel}</Button>
          {act}
        </>
      }
    >
      {handOver ? <p role="alert">{t.channel.handOver}</p> : <p>{t.channel.leaveSure(name)}</p>}
    </Dialog>
  );
}
