import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import type { LevelName } from '../ui/LevelTag.tsx';

/** Levels from the greatest down, as every list shows them. */
export const levelsDown = [Level.OWNER, Level.ADMIN, Level.MODERATOR, Level.MEMBER, Level.VIP, Level.GUEST] as const;

const names: Record<Level, LevelName> = {
  [Level.UNSPECIFIED]: 'visitor',
  [Level.GUEST]: 'guest',
  [Level.VIP]: 'vip',
  [Level.MEMBER]: 'member',
  [Level.MODERATOR]: 'moderator',
  [Level.ADMIN]: 'admin',
  [Level.OWNER]: 'owner',
};

/** levelName is the key of a level's colour and of its name in the texts (t.ui.levels). */
export function levelName(level: Level): LevelName {
  return names[level];
}
