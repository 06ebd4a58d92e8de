import { useCallback, useRef, useState } from 'react';

import { Addressee } from '../../state/addressee.ts';
import { Quotes } from '../../state/quotes.ts';
import type { Scope } from '../../state/scope.ts';
import type { OneSubgroup } from '../../state/subgroups.ts';
import { Typing } from '../../state/typing.ts';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStoreMaybe } from '../../ui/useStore.ts';
import { Composer } from '../Composer.tsx';
import { useHome, useMe } from '../context.tsx';
import { useLimits } from '../useLimits.ts';
import { useOpened } from '../useOpened.ts';
import { AddresseeChoice } from './AddresseeChoice.tsx';
import { History, type HistoryHandle } from './History.tsx';
import { Answering } from './Quote.tsx';

interface TalkingProps {
  id: bigint;
  name: string;
  /** undefined: not known yet. */
  subgroups: readonly OneSubgroup[] | undefined;
}

const none: readonly OneSubgroup[] = [];

/** Talking is what is written in a group, and where one writes. */
export function Talking({ id, name, subgroups }: TalkingProps) {
  const { t, f } = useTexts();
  const home = useHome();
  const me = useMe();
  const limits = useLimits();
  const history = useRef<HistoryHandle>(null);
  // Where the unread line stands while the group is open: as far as was read when it was opened.
  const [opened] = useState(() => {
    const group = home.groups.get(id);
    return { readSeq: group?.readSeq ?? 0, head: group?.head ?? 0 };
  });
  const place = opened.readSeq < opened.head ? opened.readSeq : 'end';
  const open = useOpened(
    useCallback(
      (scope: Scope) => {
        const log = home.openLog(id, place, scope);
        return {
          log,
          quotes: new Quotes(home.live, log, scope),
          typing: new Typing(home.live, id, me.id, scope).value,
        };
      },
      [home, id, place, me.id],
    ),
  );
  const typing = useStoreMaybe(open?.typing) ?? [];
  // What is answered is a part of the draft: it outlives a reload as the text does.
  const [replyTo, setReplyTo] = useState(() => Number(home.drafts.read(`g${id}.reply`)));
  function reply(seq: number) {
    setReplyTo(seq);
    home.drafts.write(`g${id}.reply`, seq === 0 ? '' : String(seq));
  }
  const [addressee] = useState(() => new Addressee(home.drafts, id));
  async function send(text: string): Promise<boolean> {
    const chosen = addressee.take();
    // A subgroup that was removed meanwhile is nobody to write to.
    const there = subgroups === undefined || subgroups.some((subgroup) => subgroup.id === chosen);
    const subgroupId = there ? chosen : 0n;
    home.outbox.add({ groupId: id, text, replyTo, subgroupId });
    reply(0);
    void history.current?.toEnd();
    return true;
  }
  return (
    <>
      {open ? (
        <History
          ref={history}
          log={open.log}
          quotes={open.quotes}
          subgroups={subgroups ?? none}
          unreadAfter={place === 'end' ? undefined : opened.readSeq}
          onReply={reply}
        />
      ) : (
        <EmptyState title={t.ui.loading} />
      )}
      <Composer
        place={`g${id}`}
        label={t.group.write(name)}
        sendLabel={t.group.send}
        maxBytes={limits.groupTextBytes}
        note={typing.length > 0 ? t.group.writing(f.list([...typing]), typing.length) : undefined}
        options={subgroups && subgroups.length > 0 && <AddresseeChoice addressee={addressee} subgroups={subgroups} />}
        above={
          replyTo > 0 && open
            ? {
                key: replyTo,
                shown: (
                  <Answering
                    quotes={open.quotes}
                    seq={replyTo}
                    onJump={() => void history.current?.jumpTo(replyTo)}
                    onCancel={() => reply(0)}
                  />
                ),
                onCancel: () => reply(0),
              }
            : undefined
        }
        onSend={send}
        onTyping={() => home.typing({ groupId: id })}
      />
    </>
  );
}
