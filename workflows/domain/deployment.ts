import { z } from 'zod';
import type { DeploymentRecord } from './act-records.ts';

/** A version of the application. It begins with a letter or digit, so that no program takes it for an option. */
export const versionSchema = z.string('a version of the application').regex(/^[A-Za-z0-9][A-Za-z0-9._+:@/-]{0,127}$/, 'a version such as 2.4.1 or a commit: letters, digits and . _ + : @ / -, at most 128');

/** What `{{…}}` of a deployer’s programs may stand for, beside `file:NAME`; `version` is that of `deploy` only. */
export const deployPlaceholders = ['system', 'environment', 'version'] as const;

/** Records of deployments as people see them. */
export type Deployment = Pick<DeploymentRecord, 'number' | 'environment' | 'version' | 'deployedAt' | 'claimed' | 'recordedAt' | 'by' | 'why'>;

export interface DeploymentPage {
  system: string;
  /** the newest records first */
  deployments: Deployment[];
  /** records that are not believed, or missing, among those that were read */
  problems: { number: number; key: string; problem: string }[];
}

/** Which version ran at a recovery point, and what runs now where one is to be deployed. */
export interface FoundDeployment {
  /** where it is to be deployed */
  environment: string;
  /** the recovery point’s moment, UTC ISO; its second counts whole */
  at: string;
  /** where the system served then */
  servedIn: string;
  /** what ran there then; null: no record that is believed says so */
  then: Deployment | null;
  /** records that stand in the way of knowing it */
  problems: { key: string; problem: string }[];
  /** what runs in `environment` now; `read`: it was asked just now, otherwise a record says so. Null: not known */
  now: { version: string; read: boolean } | null;
  /** why what runs now could not be asked; null: it could, or the deployer does not say */
  unread: string | null;
}

/** Which version to deploy for a recovery point, and what that is known by. */
export interface DeployProposal extends FoundDeployment {
  /** asked for in place of what ran then; null: nothing was asked for */
  asked: string | null;
}

/** The version that the step deploys; null: nothing says which, and a person has to. */
export const versionOf = ({ asked, then }: DeployProposal): string | null => asked ?? then?.version ?? null;

const seconds = (at: string): string => at.replace(/\.\d{3}Z$/, 'Z');

/** Whose word it is, and since when: a record that was made late says both of its times. */
function sinceOf({ deployedAt, recordedAt, claimed, by }: Deployment): string {
  const who = by === null ? 'nobody named' : `${by}, claimed`;
  return claimed ? `since ${seconds(deployedAt)} as was said at ${seconds(recordedAt)} by ${who}` : `since ${seconds(deployedAt)}, recorded then by ${who}`;
}

/** One sentence or two, for a gate, a plan and a step. */
export function describeProposal(of: DeployProposal): string {
  const { environment, at, servedIn, then, asked, now, problems, unread } = of;
  const ran = then ? `version ${then.version} ran in ${servedIn} at ${seconds(at)} (${sinceOf(then)})` : `${problems.length > 0 ? `it is not known which version ran in ${servedIn} at ${seconds(at)}: ${problems.map(({ key, problem }) => `${key}: ${problem}`).join('; ')}` : `no record says which version ran in ${servedIn} at ${seconds(at)}`}`;
  const runs = now ? `${environment} ${now.read ? 'runs' : 'should run, by its newest record,'} ${now.version} now` : `what ${environment} runs now is not known${unread === null ? '' : `: ${unread}`}`;
  return `Application: ${asked === null ? '' : `version ${asked} was asked for; `}${ran}; ${runs}.`;
}

/** Where nothing says which version to deploy: what a person can do about it. */
export const howToSay = (system: string, { at, servedIn }: DeployProposal): string => `say which it was (holdfast deployed VERSION --system ${system} --environment ${servedIn} --at ${seconds(at)} --by NAME), then retry; or deploy it by hand and skip the step with a reason`;

/** In lines, the newest first; what is wrong comes before. */
export const describeDeployments = ({ deployments, problems }: DeploymentPage): string[] => [
  ...problems.map(({ key, problem }) => `not believed  ${key}: ${problem}`),
  ...deployments.map((one) => `${String(one.number).padStart(6)}  ${one.environment}  ${one.version}  ${sinceOf(one)}${one.why === null ? '' : `: ${one.why}`}`),
  ...(deployments.length === 0 ? ['no deployment is recorded'] : []),
];
