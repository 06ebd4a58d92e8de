import type { Level } from '../../api/gen/muster/v1/channel_pb.ts';

/** Somebody is a person as a list of the channel shows them; what is not known of them is left out. */
export interface Somebody {
  id: bigint;
  nickname: string;
  level: Level;
  name?: string;
  joinedMs?: number;
  online?: boolean;
  here?: boolean;
}

/** Acted is what staff just did: somebody has a level now, or, without one, was taken off the roster. */
export interface Acted {
  id: bigint;
  level?: Level;
}
