import { useStore } from '../ui/useStore.ts';
import { useRoot } from './context.tsx';

/** Limits to keep to until the first welcome tells the server's own. */
const assumed = { groupTextBytes: 16_384, channelTextBytes: 4_096 };

/** useLimits is how long texts may be. */
export function useLimits(): { groupTextBytes: number; channelTextBytes: number } {
  const connection = useStore(useRoot().app.connection);
  const limits = connection.phase === 'online' ? connection.welcome.limits : undefined;
  if (!limits) return assumed;
  return { groupTextBytes: Number(limits.maxGroupTextBytes), channelTextBytes: Number(limits.maxChannelTextBytes) };
}
