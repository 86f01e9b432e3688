import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { recipientsOf, retiringOf } from '../../workflows/domain/keys/schema.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';
import type { System } from '../../workflows/domain/system.ts';
import { describeWeakerTls, type WeakerTls } from '../../workflows/domain/weaker-tls.ts';
import { openEngine } from '../engines/open-engine.ts';
import { resolveAddress } from '../secrets.ts';
import { requireTls } from '../transport/require-tls.ts';
import { readTemporalWeakerTls, temporalWeakerTls } from '../transport/temporal-weaker-tls.ts';
import { finding } from './finding.ts';

/**
 * What of a recovery would be refused because it leaves this machine by less than TLS 1.3, as far as addresses and settings say, and every permission to do so. Nothing is
 * connected to: whether a server keeps what its address promises, its own connector finds out.
 */
export async function checkTransport(system: System): Promise<Finding[]> {
  const places = new Set([...Object.values(system.sources).map(({ environment }) => environment), system.standby.environment, ...(system.drill ? [system.drill.environment] : [])]);
  const endpoints = [...places].flatMap((place) => Object.entries(system.environments[place]?.endpoints ?? {}).map(([source, endpoint]) => ({ name: `endpoint ${source} of ${place}`, endpoint, source: system.sources[source] })));
  const found = await Promise.all([
    ...endpoints.map(async ({ name, endpoint, source }) => [
      ...permission(name, endpoint.weakerTls),
      ...await refusalOf(async () => {
        const doubt = source ? await (await openEngine(source.engine)).checkTransport({ name, uri: resolveAddress(endpoint.uri), endpoint, source }) : null;
        return doubt === null ? [] : [finding('warns', 'WeakTransport', doubt)];
      }),
    ]),
    ...system.stores.slice(0, 1).map(async (store) => (store.kind === 'local' ? [] : [
      ...permission(`store ${store.name}`, store.weakerTls),
      ...await refusalOf(() => {
        if (store.endpoint === undefined) return [];
        const url = new URL(resolveAddress(store.endpoint));
        requireTls({ name: `store ${store.name}`, hosts: [url.hostname], tls: url.protocol === 'https:', weakerTls: store.weakerTls });
        return [];
      }),
    ])),
    ...[...recipientsOf(system.key), ...retiringOf(system.key)].map(async ({ where, config }) => (config.kind !== 'kms' ? [] : [
      ...permission(`${where} (KMS)`, config.weakerTls),
      ...await refusalOf(() => {
        if (config.endpoint === undefined) return [];
        const url = new URL(resolveAddress(config.endpoint));
        requireTls({ name: `${where} (KMS)`, hosts: [url.hostname], tls: url.protocol === 'https:', weakerTls: config.weakerTls });
        return [];
      }),
    ])),
    ...Object.entries(system.notify?.receivers ?? {}).map(async ([receiver, { weakerTls }]) => await Promise.resolve(permission(`receiver ${receiver}`, weakerTls))),
  ]);
  const temporal = await refusalOf(() => permission('Temporal', readTemporalWeakerTls()).map((one) => ({ ...one, message: `${one.message} (${temporalWeakerTls})` })));
  return [...found.flat(), ...temporal];
}

const permission = (name: string, weakerTls: WeakerTls): Finding[] => (weakerTls ? [finding('warns', 'WeakTransport', `${name} ${describeWeakerTls(weakerTls)}`)] : []);

/** An address that is not known here is not judged here: whoever needs it says so. */
async function refusalOf(look: () => Finding[] | Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'WeakTransport') return [];
    const { message, hint } = describeError(error);
    return [finding('fails', error.type, message, hint)];
  }
}
