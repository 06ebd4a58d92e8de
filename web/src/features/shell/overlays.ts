import { createContext, useContext } from 'react';

/** Overlay is a dialog that can be opened from everywhere. */
export type Overlay = 'jump' | 'keys' | 'channel' | 'group';

export const OverlayContext = createContext<(overlay: Overlay) => void>(() => {});

/** useOverlay opens a dialog of the whole page. */
export function useOverlay(): (overlay: Overlay) => void {
  return useContext(OverlayContext);
}
