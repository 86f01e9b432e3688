import { runTool } from '../../activities/tool/run-tool.ts';

const list = `
import { registerHooks } from 'node:module';
const packages = new Set();
registerHooks({
  load(url, context, next) {
    const [, name] = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url) ?? [];
    if (name) packages.add(name);
    return next(url, context);
  },
});
process.on('exit', () => process.stderr.write('loaded ' + JSON.stringify([...packages])));
`;

/** Arguments of node, with which a program says at its end on stderr which npm packages it has loaded: that is nearly all that a start takes. */
export const listingPackages: readonly string[] = ['--import', `data:text/javascript,${encodeURIComponent(list)}`];

export const packagesIn = (stderr: string): string[] => JSON.parse(/loaded (\[.*\])$/.exec(stderr)![1]!) as string[];

/** @param args - of node, and its program */
export async function loadedPackages(...args: string[]): Promise<string[]> {
  const { stderr } = await runTool({ path: process.execPath }, [...listingPackages, ...args]);
  return packagesIn(stderr);
}
