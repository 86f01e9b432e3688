import tseslint from 'typescript-eslint';

/**
 * Types and unused names are the compiler's business (`npm run types`). What lint holds: the import arrows
 * scripts → workers → activities → workflows/{contract,domain}, promises that nobody waits for, and a few habits.
 */
const onlyTool = {
  regex: '^(execa|(node:)?child_process)$',
  message: 'Start programs through activities/tool (runTool, startTool, startServer): groups are killed whole and no secret reaches an argument list.',
};
const noNode = { regex: '^node:', message: 'Workflow code is replayed: nothing of Node is there, and nothing that differs from run to run may be used.' };
const upward = (from, rooms, why) => ({ regex: `^\\.{1,2}/(.*/)?(${rooms})/`, message: `${from} may not import this: ${why}` });

const arrows = (files, patterns, ignores = []) => ({ files, ignores, rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] } });

export default tseslint.config(
  { ignores: ['node_modules/', '.tools/', '.holdfast/', 'reports/', 'test/fixtures/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-ignore': true, 'ts-nocheck': true, 'ts-expect-error': true }],
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'] }] }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'prefer-const': 'error',
      'no-var': 'error',
      'no-debugger': 'error',
      'no-console': 'error',
      'no-throw-literal': 'error',
    },
  },
  { files: ['scripts/**', 'test/**'], rules: { 'no-console': 'off' } },
  arrows(['**/*.ts'], [onlyTool], ['activities/tool/**']),
  arrows(['workers/**'], [onlyTool, upward('workers/', 'scripts', 'the CLI stands on workers, never the other way round.')]),
  arrows(
    ['activities/**'],
    [
      onlyTool,
      upward('activities/', 'scripts|workers', 'a side effect must not know who runs it.'),
      {
        regex: '^\\.{1,2}/(.*/)?workflows/(?!(contract\\.ts$|domain/))',
        message: 'activities/ may import workflows/contract.ts and workflows/domain/ only: workflow code runs in its sandbox, and nowhere else.',
      },
    ],
    ['activities/tool/**'],
  ),
  arrows(['workflows/**'], [onlyTool, noNode, upward('workflows/', 'activities|workers|scripts', 'a workflow sees activities through contract.ts alone.')], ['workflows/domain/**']),
  {
    files: ['workflows/**'],
    ignores: ['workflows/domain/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...['[callee.name="condition"][arguments.length=2]', '[callee.name="sleep"][arguments.length=1]', '[callee.object.name="CancellationScope"][callee.property.name="withTimeout"]'].map((timer) => ({ selector: `CallExpression${timer}`, message: 'A timer says what it is for (`{ summary }`): whoever looks at the timeline at night sees that and nothing else.' })),
      ],
    },
  },
  arrows(
    ['workflows/domain/**'],
    [
      onlyTool,
      noNode,
      { regex: '^(?!zod$|\\./|\\.\\./contract\\.ts$)', message: 'domain/ is pure: it imports zod and its own files, and nothing else.' },
      { regex: '^\\.\\./contract\\.ts$', allowTypeImports: true, message: 'domain/ is pure: of the contract it may know the types, nothing that runs.' },
    ],
  ),
  {
    files: ['workflows/domain/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...['VariableDeclaration[kind="let"]', 'VariableDeclaration > VariableDeclarator > NewExpression[callee.name=/^(Weak)?(Map|Set)$/]', 'VariableDeclaration > VariableDeclarator > Literal[regex.flags=/[gy]/]'].flatMap((kept) =>
          ['Program', 'Program > ExportNamedDeclaration'].map((top) => ({ selector: `${top} > ${kept}`, message: 'A worker evaluates domain/ once, and all its runs share it (workflows/share-domain.ts): what one changed here, another would meet, and its replay would not.' })),
        ),
      ],
    },
  },
  arrows(
    ['workflows/domain/*/*.ts'],
    [onlyTool, noNode, { regex: '^(?!zod$|\\./|\\.\\./[a-z-]+\\.ts$)', message: 'domain/ is pure, its rooms too: they import zod, their own files and those of domain/, and nothing else.' }],
  ),
);
