/**
 * offsetNow is where in a list's rows its view begins, in px: as it is known, unless the element was scrolled since. The
 * rows are drawn held px further up than they count. A browser scrolls to whole pixels of the screen, so what is closer
 * than one is no move, and what is known is more exact. Pulled beyond the top, a view begins there.
 */
export function offsetNow(known: number, scrollTop: number, held: number): number {
  const now = Math.max(0, scrollTop + held);
  return Math.abs(now - known) <= 1 ? known : now;
}
