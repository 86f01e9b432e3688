import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureSecrets } from './stack/stack-secrets.ts';

/**
 * `npm run compose-secrets`: makes the secrets of docker-compose.yml, at random; what is there stays.
 *
 * The directory is its owner's alone. The files in it are readable, because programs in containers run as users of
 * their own, and see the files only, not the directory.
 */
const directory = resolve(process.env['HOLDFAST_COMPOSE_DIRECTORY'] ?? join(import.meta.dirname, '..', '.holdfast-compose'));
const secrets = join(directory, 'secrets');
mkdirSync(directory, { recursive: true, mode: 0o700 });
ensureSecrets({ directory });
for (const name of ['postgres-password', 'grafana-password']) {
  const path = join(secrets, name);
  if (!existsSync(path)) writeFileSync(path, randomBytes(18).toString('hex'));
}
chmodSync(directory, 0o700);
chmodSync(secrets, 0o755);
for (const name of readdirSync(secrets)) chmodSync(join(secrets, name), 0o644);
process.stdout.write(`secrets in ${secrets}\n`);
