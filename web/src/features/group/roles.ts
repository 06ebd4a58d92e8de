import { Role } from '../../api/gen/muster/v1/group_pb.ts';

const names = { [Role.MEMBER]: 'member', [Role.ADMIN]: 'admin', [Role.OWNER]: 'owner' } as const;

/** rolesDown are the roles from the greatest down, as every list shows them. */
export const rolesDown = [Role.OWNER, Role.ADMIN, Role.MEMBER] as const;

/** roleName is the key of a role's name in the texts (t.group.roles), and of its colour. */
export function roleName(role: Role): 'owner' | 'admin' | 'member' {
  return role === Role.UNSPECIFIED ? 'member' : names[role];
}
