import { useState } from 'react';

import { useHome } from '../context.tsx';

/** useKept is a field whose text outlives a reload, until it is forgotten: what was typed is done with. */
export function useKept(place: string, initial: string): [string, (text: string) => void, () => void] {
  const { drafts } = useHome();
  const [text, setText] = useState(() => drafts.read(place) || initial);
  const change = (next: string) => {
    setText(next);
    drafts.write(place, next === initial ? '' : next);
  };
  return [text, change, () => drafts.write(place, '')];
}
