import { ChevronDown, ChevronRight } from 'lucide-react';
import { useState } from 'react';

import type { ChannelsValue } from '../../state/channels.ts';
import { Badge } from '../../ui/Badge.tsx';
import { IconButton } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Link } from '../Link.tsx';
import { ChannelIcon } from './Navigation.tsx';
import styles from './Navigation.module.css';

/** ChannelTree lists the channels as they lie in one another, with how many people are in each room. */
export function ChannelTree({ current }: { current: bigint | undefined }) {
  const { t } = useTexts();
  const { channels } = useHome();
  const tree = useStore(channels.value);
  const [closed, setClosed] = useState<ReadonlySet<bigint>>(new Set());
  const top = tree.children.get(0n) ?? [];
  if (top.length === 0) return <p className={styles['none']}>{tree.loaded ? t.shell.noChannels : t.ui.loading}</p>;
  function fold(id: bigint) {
    const next = new Set(closed);
    if (!next.delete(id)) next.add(id);
    setClosed(next);
    if (!tree.children.has(id)) void channels.open(id).catch(() => {}); // the tree is read again anyway
  }
  return <Branch ids={top} tree={tree} closed={closed} fold={fold} current={current} />;
}

interface BranchProps {
  ids: readonly bigint[];
  tree: ChannelsValue;
  closed: ReadonlySet<bigint>;
  fold: (id: bigint) => void;
  current: bigint | undefined;
}

function Branch({ ids, tree, closed, fold, current }: BranchProps) {
  const { t, f } = useTexts();
  return (
    <ul>
      {ids.map((id) => {
        const channel = tree.byId.get(id);
        if (!channel) return null;
        const children = tree.children.get(id);
        const open = children !== undefined && !closed.has(id);
        const people = channel.presentCount;
        return (
          <li key={String(id)}>
            <div className={styles['item']}>
              <Link href={`/c/${id}`} className={styles['row']} aria-current={id === current ? 'page' : undefined}>
                <ChannelIcon />
                <span className={styles['name']}>{channel.name}</span>
                {people > 0 && (
                  <Badge look="soft" label={t.shell.peopleInside(people)}>
                    {f.short(people)}
                  </Badge>
                )}
              </Link>
              {(children === undefined || children.length > 0) && (
                <IconButton
                  className={styles['fold']}
                  label={open ? t.shell.collapse(channel.name) : t.shell.expand(channel.name)}
                  aria-expanded={open}
                  onClick={() => fold(id)}
                >
                  {open ? <ChevronDown size={16} aria-hidden /> : <ChevronRight size={16} aria-hidden />}
                </IconButton>
              )}
            </div>
            {open && children.length > 0 && (
              <div className={styles['branch']}>
                <Branch ids={children} tree={tree} closed={closed} fold={fold} current={current} />
              </div>
            )}
          </li>
        );
      })}
    </ul>
  );
}
