import type { Document } from 'mongodb';
import type { AccessRole, EngineGrant, RightsFound } from '../../../workflows/domain/access-roles.ts';
import type { SourceContext } from '../../context.ts';
import { adminOf, withSource } from './connect.ts';
import { createRoleCommand, sourceRoles } from './rights.ts';

/** Which of the roles of docs/rights.md what Holdfast does needs: a recovery fences and promotes; retention and disposal never see the source. */
const rolesOf: Record<AccessRole, readonly string[]> = {
  backup: ['holdfastBackup'],
  archive: ['holdfastBackup', 'holdfastCommand'],
  restore: ['holdfastBackup', 'holdfastCommand'],
  read: ['holdfastBackup'],
  drill: [],
  verify: [],
  retention: [],
  dispose: [],
};

const neededBy = (role: AccessRole) => sourceRoles.filter(({ name }) => rolesOf[role].includes(name));

export function grants(role: AccessRole): EngineGrant {
  const roles = neededBy(role);
  return {
    engine: 'mongodb',
    commands: roles.map(createRoleCommand),
    roles: roles.map(({ name }) => name),
    about: roles.length === 0 ? 'never logs in to the source' : roles.map(({ name, about }) => `${name} ${about}`).join('; '),
  };
}

interface Privilege {
  resource: Document;
  actions: string[];
}

/** @source MongoDB manual: connectionStatus with showPrivileges says what the logged-in user may do, all its roles together. */
export async function checkRights(context: SourceContext, role: AccessRole): Promise<RightsFound> {
  const { authInfo } = await withSource(context, async (client) => await adminOf(client).command({ connectionStatus: 1, showPrivileges: true })) as { authInfo: { authenticatedUsers: Document[]; authenticatedUserRoles: { role: string; db: string }[]; authenticatedUserPrivileges: Privilege[] } };
  if (authInfo.authenticatedUsers.length === 0) return { missing: [], tooMuch: ['the source asks for nobody’s name: whoever reaches it may do anything'] };
  const needed = neededBy(role).flatMap(({ rights }) => rights.flatMap(({ resource, actions }) => actions.map((action) => ({ resource, action }))));
  const has = authInfo.authenticatedUserPrivileges;
  const missing = needed.filter(({ resource, action }) => !has.some((privilege) => privilege.actions.includes(action) && covers(privilege.resource, resource)));
  const extra = has.flatMap(({ resource, actions }) => actions.filter((action) => !needed.some((need) => need.action === action && covers(need.resource, resource))).map((action) => ({ resource, action })));
  const builtIn = authInfo.authenticatedUserRoles.filter(({ role: name }) => !name.startsWith('holdfast')).map(({ role: name, db }) => `${db}.${name}`);
  return {
    missing: missing.map(tell),
    tooMuch: [
      ...(extra.length > 0 && builtIn.length > 0 ? [`has the roles ${builtIn.join(', ')}`] : []),
      ...extra.slice(0, 10).map(tell),
      ...(extra.length > 10 ? [`and ${extra.length - 10} more rights`] : []),
    ],
  };
}

/** Whether a right on one resource holds on another. */
function covers(given: Document, wanted: Document): boolean {
  if (given['anyResource']) return true;
  if (given['cluster'] || wanted['cluster'] || wanted['anyResource']) return given['cluster'] === wanted['cluster'] && given['anyResource'] === wanted['anyResource'];
  if ('system_buckets' in given || 'system_buckets' in wanted) return given['system_buckets'] === wanted['system_buckets'] && (given['db'] ?? '') === (wanted['db'] ?? '');
  // "All collections" are those of people: no system collection, and nothing of the server's own two databases.
  const isOwn = ['local', 'config'].includes(String(wanted['db']));
  const same = (field: 'db' | 'collection'): boolean => given[field] === wanted[field] || (given[field] === '' && !isOwn && !(field === 'collection' && String(wanted[field]).startsWith('system.')));
  return same('db') && same('collection');
}

const tell = ({ resource, action }: { resource: Document; action: string }): string => `${action} on ${JSON.stringify(resource)}`;
