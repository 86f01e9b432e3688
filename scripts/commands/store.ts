import { checkStore } from '../../activities/store/setup/check-store.ts';
import { initStore } from '../../activities/store/setup/init-store.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { errorTable } from '../../workflows/domain/errors.ts';
import { describeSetting, describeStoreCheck } from '../../workflows/domain/store-setup.ts';
import type { Cli } from '../cli.ts';

const storeOption = ['--store <name>', 'a store of the system file; left out: the first, which is the one that is used'] as const;

/** `holdfast store`: makes the bucket what the system file asks, and looks whether it is, by settings and by trying. */
export function store(cli: Cli): void {
  const group = cli.group('store', 'the bucket, or directory, that backups lie in');
  cli.add<[string], { store?: string; dryRun?: boolean }>(
    'init <system>',
    'make the store what the system file asks: shows what it is and is to be, then does what is left; takes nothing away, and may be repeated',
    (command) => command.option(...storeOption).option('--dry-run', 'show it, and change nothing'),
    async (printer, { store: name, dryRun = false }, system) => {
      const made = await initStore(await loadSystemFile(system), { name, dryRun, onPlan: (plan) => [`store of ${system} as it is`, ...plan.map(describeSetting)].forEach((line) => printer.note(line)) });
      const left = (made.settings ?? made.plan).filter(({ state }) => state !== 'as-asked');
      printer.result(made, ({ settings }) => [
        ...(settings === null ? ['nothing was changed'] : ['and as it is now', ...settings.map(describeSetting)]),
        ...left.filter(({ state }) => state !== 'to-do' || settings !== null).map(({ setting, state, found, hint }) => `${state === 'unsupported' ? 'not done, this server cannot' : 'not done'}  ${setting}: ${found}${hint ? ` HINT: ${hint}` : ''}`),
      ].join('\n'));
      const stuck = left.some(({ state, setting }) => state === 'cannot' || (made.settings !== null && state === 'to-do') || (state === 'unsupported' && ['versioning', 'object lock'].includes(setting)));
      return stuck ? errorTable.Unsupported.exitCode : 0;
    },
    group,
  );
  cli.add<[string], { store?: string; probe: boolean }>(
    'check <system>',
    'look whether the store is what the system file asks, and try in objects of its own that a second put-if-absent is refused, that a lock holds, that checksums are looked at; clocks and latency',
    (command) => command.option(...storeOption).option('--no-probe', 'settings alone: write nothing'),
    async (printer, { store: name, probe }, system) => {
      const check = await checkStore(await loadSystemFile(system), { name, probe });
      printer.result(check, (of) => describeStoreCheck(of).join('\n'));
      const failing = check.findings.find(({ effect }) => effect === 'fails');
      return failing ? errorTable[failing.type].exitCode : 0;
    },
    group,
  );
}
