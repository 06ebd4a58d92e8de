import { useState } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { OneGroup } from '../../state/groups.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useHome, useRoot } from '../context.tsx';

interface LeaveProps {
  group: OneGroup;
  how: 'leave' | 'dissolve';
  onClose: () => void;
}

/** Leave asks whether somebody means it before they leave a group or end it; an owner has to hand it over first. */
export default function Leave({ group, how, onClose }: LeaveProps) {
  const { t } = useTexts();
  const { clients, groups } = useHome();
  const { router } = useRoot();
  const tell = useToast();
  const act = useAct();
  const [typed, setTyped] = useState('');
  const stays = how === 'leave' && group.role === Role.OWNER;
  const title = how === 'leave' ? t.group.leave : t.group.dissolve;

  async function go() {
    const groupId = group.id;
    if (how === 'leave') await clients.group.leaveGroup({ groupId });
    else await clients.group.dissolveGroup({ groupId });
    tell(how === 'leave' ? t.group.left(group.name) : t.group.dissolved(group.name));
    onClose();
    groups.drop(groupId, 'left'); // said already
  }
  function toMembers() {
    onClose();
    router.go(`/g/${group.id}/members`);
  }
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t.ui.cancel}</Button>
          {stays ? (
            <Button look="primary" onClick={toMembers}>
              {t.group.toMembers}
            </Button>
          ) : (
            <Button
              look="danger"
              busy={act.busy}
              disabled={how === 'dissolve' && typed.trim() !== group.name}
              onClick={() => void act.run(go)}
            >
              {title}
            </Button>
          )}
        </>
      }
    >
      {act.error && <Banner look="bad">{act.error}</Banner>}
      {stays && <p role="alert">{t.group.ownerStays}</p>}
      {how === 'leave' && !stays && <p>{t.group.leaveSure(group.name)}</p>}
      {how === 'dissolve' && (
        <>
          <p>{t.group.dissolveSure(group.name, group.memberCount)}</p>
          <Field
            label={t.group.dissolveType(group.name)}
            value={typed}
            autoComplete="off"
            onChange={(e) => setTyped(e.target.value)}
          />
        </>
      )}
    </Dialog>
  );
}
