import { lazy, Suspense } from 'react';

import type { Overlay } from './overlays.ts';

const Jump = lazy(() => import('./Jump.tsx'));
const Keys = lazy(() => import('./Keys.tsx'));
const NewChannel = lazy(() => import('../channel/NewChannel.tsx'));
const NewGroup = lazy(async () => ({ default: (await import('./Create.tsx')).NewGroup }));

const dialogs = { jump: Jump, keys: Keys, channel: NewChannel, group: NewGroup };

/** Overlays shows the dialog that is open over the whole page; none is in the first load. */
export function Overlays({ open, onClose }: { open: Overlay | undefined; onClose: () => void }) {
  const Dialog = open && dialogs[open];
  return <Suspense fallback={null}>{Dialog && <Dialog onClose={onClose} />}</Suspense>;
}
