import { laterDialog } from '../../ui/later.tsx';
import type { Overlay } from './overlays.ts';

const dialogs = {
  jump: laterDialog(async () => (await import('./Jump.tsx')).default),
  keys: laterDialog(async () => (await import('./Keys.tsx')).default),
  channel: laterDialog(async () => (await import('../channel/NewChannel.tsx')).default),
  group: laterDialog(async () => (await import('./Create.tsx')).NewGroup),
};

/** Overlays shows the dialog that is open over the whole page; none is in the first load. */
export function Overlays({ open, onClose }: { open: Overlay | undefined; onClose: () => void }) {
  const Dialog = open && dialogs[open];
  return Dialog && <Dialog key={open} onClose={onClose} />;
}

/** bringOverlays fetches all of them. */
export function bringOverlays(): Promise<unknown> {
  return Promise.all(Object.values(dialogs).map((dialog) => dialog.bring()));
}
