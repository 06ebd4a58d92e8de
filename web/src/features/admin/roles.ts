import { ServerRole } from '../../api/gen/muster/v1/account_pb.ts';

/** roleName is the key of a server role's text. */
export function roleName(role: ServerRole): 'user' | 'admin' | 'owner' {
  if (role === ServerRole.OWNER) return 'owner';
  return role === ServerRole.ADMIN ? 'admin' : 'user';
}

/** grantableRoles are the roles that somebody may give: owners all, administrators what is below them. */
export function grantableRoles(mine: ServerRole): ServerRole[] {
  const all = [ServerRole.USER, ServerRole.ADMIN, ServerRole.OWNER];
  return mine === ServerRole.OWNER ? all : all.filter((role) => role < mine);
}

/** mayChange tells whether somebody may change another account. */
export function mayChange(mine: ServerRole, theirs: ServerRole): boolean {
  return mine === ServerRole.OWNER || (mine === ServerRole.ADMIN && theirs < mine);
}
