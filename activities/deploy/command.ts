import { versionSchema } from '../../workflows/domain/deployment.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { DeployerConfig } from '../../workflows/domain/system.ts';
import { fillProgram, type ProgramContext } from '../engines/tool/program-spec.ts';
import { fromValues, lastLine, runToEnd } from '../engines/tool/run-to-end.ts';
import type { Deployer } from './deployer.ts';

const configOf = ({ system }: ProgramContext): Extract<DeployerConfig, { uses: 'command' }> => system.deployer as Extract<DeployerConfig, { uses: 'command' }>;

/** The team's own program deploys, and another one, where there is one, reads what runs. */
export const commandDeployer: Deployer = {
  async current(context, environment) {
    const { current } = configOf(context);
    if (!current) return null;
    const spec = await fillProgram(context, current, fromValues({ system: context.system.system, environment }));
    const said = (await runToEnd(context, spec)).trim();
    if (said === '') return null;
    const version = versionSchema.safeParse(said);
    if (version.success) return version.data;
    throw new HoldfastError('ToolFailed', `${spec.name} is to print the version that runs in ${environment} and nothing else; it printed ${JSON.stringify(said.slice(0, 200))}`);
  },

  async deploy(context, { environment, version }) {
    const { deploy } = configOf(context);
    const spec = await fillProgram(context, deploy, fromValues({ system: context.system.system, environment, version }));
    const said = lastLine(await runToEnd(context, spec));
    const runs = await commandDeployer.current(context, environment);
    if (configOf(context).current && runs !== version) {
      throw new HoldfastError('ValidationFailed', `${spec.name} deployed ${version} to ${environment} and ended well, and ${runs ?? 'nothing'} runs there`, { hint: 'look at what it did, then retry' });
    }
    const seen = runs === version ? `${version} runs in ${environment}` : `${spec.name} ended well; nothing was asked what runs in ${environment}`;
    return { summary: said === '' ? seen : `${seen}; it said: ${said}` };
  },
};
