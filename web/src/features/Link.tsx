import type { AnchorHTMLAttributes, MouseEvent } from 'react';

import { useRoot } from './context.tsx';

/** Link goes to a place of the client without loading the page anew. */
export function Link({ href, onClick, children, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const { router } = useRoot();
  function go(event: MouseEvent<HTMLAnchorElement>) {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    router.go(href);
  }
  return (
    <a href={href} onClick={go} {...rest}>
      {children}
    </a>
  );
}
