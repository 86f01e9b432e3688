import { dirname, join } from 'node:path';
import { ESLint } from 'eslint';
import ts from 'typescript';

/**
 * What `npm run types` and `npm run lint` find, in less processor time than those take one after the other: lint asks for types too, and here it asks the program that the compiler has checked.
 */
const project = join(import.meta.dirname, '..');
process.chdir(project);

const whole = readProgram('tsconfig.json');
const found = [whole, readProgram(join('workflows', 'tsconfig.json'))].flatMap((program) => ts.getPreEmitDiagnostics(program));
const names = { getCurrentDirectory: () => project, getCanonicalFileName: (name: string) => name, getNewLine: () => '\n' };
process.stdout.write(ts.formatDiagnostics(ts.sortAndDeduplicateDiagnostics(found), names));

const eslint = new ESLint({ overrideConfig: { files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: false, programs: [whole] } } } });
const linted = await eslint.lintFiles('.');
process.stdout.write(await (await eslint.loadFormatter('stylish')).format(linted));
process.exitCode = found.length + linted.reduce((sum, { errorCount, warningCount }) => sum + errorCount + warningCount, 0) === 0 ? 0 : 1;

function readProgram(file: string): ts.Program {
  const { config, error } = ts.readConfigFile(file, ts.sys.readFile.bind(ts.sys)) as { config: unknown; error?: ts.Diagnostic };
  const { options, fileNames, errors } = ts.parseJsonConfigFileContent(config, ts.sys, dirname(file));
  return ts.createProgram({ rootNames: fileNames, options, configFileParsingDiagnostics: [...(error ? [error] : []), ...errors] });
}
