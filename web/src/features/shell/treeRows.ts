import type { ChannelsValue, OneChannel } from '../../state/channels.ts';

/** TreeRow is a channel in the list that the tree is shown as. */
export interface TreeRow {
  channel: OneChannel;
  /** From 1. */
  level: number;
  /** From 1, among so many siblings. */
  position: number;
  siblings: number;
  /** undefined: nothing is inside. */
  expanded: boolean | undefined;
}

/** rowsOf lists what can be seen of the tree, from the top down. */
export function rowsOf(tree: ChannelsValue, folded: ReadonlySet<bigint>): TreeRow[] {
  const rows: TreeRow[] = [];
  const walk = (parent: bigint, level: number) => {
    const ids = tree.children.get(parent) ?? [];
    for (const [index, id] of ids.entries()) {
      const channel = tree.byId.get(id);
      if (!channel) continue;
      const children = tree.children.get(id);
      const expanded = children?.length === 0 ? undefined : children !== undefined && !folded.has(id);
      rows.push({ channel, level, position: index + 1, siblings: ids.length, expanded });
      if (expanded) walk(id, level + 1);
    }
  };
  walk(0n, 1);
  return rows;
}

/** Step is what a key does: go to another row, fold or unfold this one, or open its channel. */
interface Step {
  to?: TreeRow | undefined;
  fold?: boolean;
  open?: boolean;
}

/** stepFrom is what a key does in a tree (WAI-ARIA, "Tree View Pattern"); undefined: nothing. */
export function stepFrom(rows: readonly TreeRow[], row: TreeRow, key: string): Step | undefined {
  const at = rows.findIndex((one) => one.channel.id === row.channel.id);
  switch (key) {
    case 'ArrowDown':
      return { to: rows[at + 1] };
    case 'ArrowUp':
      return { to: rows[at - 1] };
    case 'Home':
      return { to: rows[0] };
    case 'End':
      return { to: rows.at(-1) };
    case 'ArrowRight':
      if (row.expanded === undefined) return {};
      return row.expanded ? { to: rows[at + 1] } : { fold: false };
    case 'ArrowLeft':
      if (row.expanded) return { fold: true };
      return { to: rows.slice(0, at).findLast((one) => one.level < row.level) };
    case 'Enter':
    case ' ':
      return { open: true };
    default:
  }
  if ([...key].length !== 1) return undefined;
  const letter = key.toLocaleLowerCase();
  const after = [...rows.slice(at + 1), ...rows.slice(0, at)];
  const to = after.find((one) => one.channel.name.toLocaleLowerCase().startsWith(letter));
  return to && { to };
}
