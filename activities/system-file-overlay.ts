import { HoldfastError } from '../workflows/domain/errors.ts';
import { locate, type Path, type YamlFile } from './system-file-errors.ts';

/**
 * What an overlay may change: where things are and how to get in. Never what is done: a test that runs the shipped
 * file with an overlay tests the shipped objectives, steps, gates, locks and limits.
 * `*` is any one name.
 */
const changeable = [
  'system',
  'environments.*.endpoints.*.uri',
  'environments.*.endpoints.*.credentials',
  'environments.*.endpoints.*.tls',
  'environments.*.endpoints.*.weakerTls',
  'stores.*.name',
  'stores.*.endpoint',
  'stores.*.region',
  'stores.*.bucket',
  'stores.*.prefix',
  'stores.*.path',
  'stores.*.credentials',
  'stores.*.caFile',
  'stores.*.weakerTls',
  'key.aes256',
  ...['recipients', 'retiring'].flatMap((group) => ['aes256', 'keyId', 'region', 'endpoint', 'credentials', 'caFile', 'weakerTls', 'publicKey', 'privateKey', 'passphrase'].map((field) => `key.${group}.*.${field}`)),
  'key.signing',
  'standby.provision.*.directory',
  'standby.provision.*.tls',
  'fence.*.directory',
  'drill.provision.*.directory',
  'failback.provision.*.directory',
  'failback.fence.*.directory',
  'traffic.directory',
  'traffic.url',
  'traffic.sides.*',
  'exchange.directories',
  ...['url', 'secret', 'routingKey', 'dsn', 'smtp', 'caFile', 'weakerTls'].map((field) => `notify.receivers.*.${field}`),
].map((pattern) => pattern.split('.'));

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * The system file's value with the overlay's over it. Stores are matched by their name.
 * @throws BadSystemFile - the overlay changes something other than addresses, credentials and directories; names the field.
 */
export function mergeOverlay(file: YamlFile, overlay: YamlFile): unknown {
  refuseOthers(overlay.value, [], overlay);
  return merge(file.value, overlay.value, []);
}

function refuseOthers(value: unknown, path: Path, overlay: YamlFile): void {
  const fits = (pattern: string[]): boolean => path.every((step, at) => pattern[at] === undefined || pattern[at] === '*' || pattern[at] === step);
  const candidates = changeable.filter(fits);
  if (candidates.length === 0) {
    throw new HoldfastError('BadSystemFile', `${locate(overlay, path, true)} ${path.join('.')}: an overlay may not change this`, {
      hint: `an overlay changes addresses, credentials and directories: ${changeable.map((pattern) => pattern.join('.')).join(', ')}`,
    });
  }
  if (candidates.some((pattern) => pattern.length <= path.length)) return;
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : isObject(value) ? Object.entries(value) : [];
  for (const [step, inner] of entries) refuseOthers(inner, [...path, step], overlay);
}

function merge(base: unknown, over: unknown, path: Path): unknown {
  if (Array.isArray(base) && Array.isArray(over) && path.join('.') === 'stores') {
    return base.map((store: unknown) => {
      const changed: unknown = over.find((item: unknown) => isObject(item) && isObject(store) && item['name'] === store['name']);
      return changed === undefined ? store : merge(store, changed, [...path, 0]);
    });
  }
  if (isObject(base) && isObject(over)) {
    const merged: Json = { ...base };
    for (const [key, value] of Object.entries(over)) merged[key] = key in base ? merge(base[key], value, [...path, key]) : value;
    return merged;
  }
  return over;
}
