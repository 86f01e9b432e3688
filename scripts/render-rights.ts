import type { Document } from 'mongodb';
import { allRoles, besideRole, createRoleCommand, sourceUserRoles } from '../activities/engines/mongodb/rights.ts';

/** `docs/rights.js`: what mongosh runs to make the roles, again and again with the same end. */
export function renderRightsScript(): string {
  return `// Makes the roles that Holdfast's database user needs, or makes them what they should be: mongosh <address> docs/rights.js
// Written by \`npm run rights\`; docs/rights.md says what each right is for.
{
  const admin = db.getSiblingDB('admin');
  const roles = ${JSON.stringify(allRoles.map(createRoleCommand), null, 2).replaceAll('\n', '\n  ')};
  for (const { createRole, ...role } of roles) {
    const known = admin.runCommand({ rolesInfo: createRole }).roles.length > 0;
    const answer = admin.runCommand(known ? { updateRole: createRole, ...role } : { createRole, ...role });
    if (answer.ok !== 1) throw new Error(createRole + ': ' + answer.errmsg);
  }
}
// Then: db.getSiblingDB('admin').createUser({ user: 'holdfast', pwd: passwordPrompt(), roles: ${JSON.stringify(sourceUserRoles)} })
// And for the restore modes beside and swap: db.getSiblingDB('admin').grantRolesToUser('holdfast', ${JSON.stringify([{ role: besideRole.name, db: 'admin' }])})
`;
}

/** `docs/rights.md`, whole. */
export function renderRightsPage(): string {
  const sections = allRoles.map(({ name, about, rights }) => `## \`${name}\`

It ${about}.

| resource | actions | for |
|---|---|---|
${rights.map((right) => `| ${resourceText(right.resource)} | ${right.actions.map((action) => `\`${action}\``).join(', ')} | ${right.for} |`).join('\n')}
`);
  return `# Rights of the user of a MongoDB

The rights of users of [one PostgreSQL database](postgresql.md#rights) and of [a whole server](postgresql-physical.md), of the [bucket and of a key of KMS](access.md#holdfasts-own-credentials) stand there; \`holdfast access print\` has all of them.

Holdfast logs in to a source as one user, named under \`credentials\` of its endpoint. It needs two roles (a third for the restore modes beside and swap), and no built-in one: none
of those, not even \`root\`, may read the definitions of views and time-series collections.

\`\`\`
mongosh 'mongodb://root@db-1:27017/?replicaSet=rs0&authSource=admin' docs/rights.js
\`\`\`

makes them (and, run again, brings them up to date); the last line of [rights.js](rights.js) makes the user. A standby that is restored has
the users and roles of the source, so its endpoint names the same user; until it is promoted it listens on loopback and asks for nobody.
What is not the database's own right: an operating-system user who may stop the process of a primary that does not answer.

A right that is missing is named: \`NotPermitted\`, with the command that was refused. A fence that may not step the primary down is
\`FenceFailed\`; where only \`shutdown\` is missing, it says so in its evidence and ends the process by a signal.

${sections.join('\n')}
A test takes every action away in turn and sees what is refused without it, so nothing here is to spare. \`applyOps\`, \`restore\` and
everything else that writes is done on restore targets only, never on a source, but for what the last role allows.
`;
}

function resourceText(resource: Document): string {
  if (resource['cluster']) return 'the cluster';
  if (resource['anyResource']) return 'any';
  if (typeof resource['system_buckets'] === 'string') return 'all `system.buckets.*`';
  const { db, collection } = resource as { db: string; collection: string };
  if (db === '' && collection === '') return 'all collections but system ones';
  return collection === '' ? `\`${db}\`` : `\`${db === '' ? '' : `${db}.`}${collection}\`${db === '' ? ' of every database' : ''}`;
}
