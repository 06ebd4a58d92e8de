import { ServerRole } from '../api/gen/muster/v1/account_pb.ts';
import { Level } from '../api/gen/muster/v1/channel_pb.ts';

// What the server allows in a channel (internal/channel, rules.go), so that nobody is offered what would be refused.

/** Standing is what somebody may do in a channel by their level there; administrators of the server outrank everybody. */
export interface Standing {
  level: Level;
  server: boolean;
}

export function standingOf(level: Level, serverRole: ServerRole): Standing {
  return { level, server: serverRole >= ServerRole.ADMIN };
}

/** administers: changes the channel, imports, makes channels inside it. */
export function administers(who: Standing): boolean {
  return who.server || who.level >= Level.ADMIN;
}

/** keepsOrder: removes and bans people of lower level. */
export function keepsOrder(who: Standing): boolean {
  return who.server || who.level >= Level.MODERATOR;
}

export function mayDelete(who: Standing): boolean {
  return who.server || who.level === Level.OWNER;
}

export function outranks(who: Standing, level: Level): boolean {
  return who.server || who.level > level;
}

/** mayRemove: takes somebody of a level off the roster, out of the room, or keeps them out. */
export function mayRemove(who: Standing, target: Level, self: boolean): boolean {
  return !self && keepsOrder(who) && outranks(who, target);
}

const all = [Level.OWNER, Level.ADMIN, Level.MODERATOR, Level.MEMBER, Level.VIP, Level.GUEST] as const;

/** grantable lists the levels, the greatest first, that one may give to somebody of a level; self: to oneself. */
export function grantable(who: Standing, target: Level, self: boolean): Level[] {
  return all.filter((to) => {
    if (to === target) return false;
    if (self && target !== Level.UNSPECIFIED && to < target) return true;
    return grants(who, to) && outranks(who, target);
  });
}

function grants(who: Standing, to: Level): boolean {
  if (who.server || who.level === Level.OWNER) return true;
  return who.level === Level.ADMIN && to <= Level.MODERATOR;
}
