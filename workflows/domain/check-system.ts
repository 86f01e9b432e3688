import { checkPeople } from './check-people.ts';
import { checkRunbooks } from './check-runbooks.ts';
import { checkContacts } from './contacts.ts';
import { abilitiesOf, lackOf } from './engines.ts';
import { expandRunbook, mainRunbook, runbookNames } from './expand-runbook.ts';
import { copiesOf, drillSystem, homesOf, isInPlace, turnSystem } from './homeward.ts';
import { checkIncidents } from './incident-schema.ts';
import { describeMode } from './restore-mode.ts';
import { checkSchedules } from './schedules/schema.ts';
import { stepsBefore } from './steps-before.ts';
import type { SystemFields } from './system.ts';
import { formatBytes } from './units.ts';

type Complain = (path: (string | number)[], message: string) => void;

/** What a server is made by fits a source that is one, and what stops a mongod a source that is that: read by its driver, or by mongodump. */
function checkEngine(system: SystemFields, sourceName: string, complain: Complain): void {
  const { engine, environment, tool } = system.sources[sourceName]!;
  const isMongod = engine === 'mongodb' || tool?.uses === 'mongodump';
  const isServer = isMongod || engine === 'postgres-physical';
  const provision = system.standby.provision[sourceName];
  const of = `source "${sourceName}" (engine ${engine}${tool ? `, ${tool.uses}` : ''})`;
  const fitting = isServer || tool?.uses === 'pgbackrest' ? ['local'] : engine === 'tool' ? ['existing'] : ['database', 'local'];
  if (provision && !fitting.includes(provision.uses)) complain(['standby', 'provision', sourceName, 'uses'], `"${provision.uses}" does not fit ${of}; expected "${fitting.join('" or "')}"`);
  if (provision && 'contents' in provision && provision.contents !== undefined && engine !== 'postgres') complain(['standby', 'provision', sourceName, 'contents'], `belongs to the engine "postgres", and that of "${sourceName}" is "${engine}"`);
  if (provision && 'configuration' in provision && provision.configuration !== undefined && engine !== 'postgres-physical') complain(['standby', 'provision', sourceName, 'configuration'], `belongs to the engine "postgres-physical", and that of "${sourceName}" is "${engine}"`);
  const fence = system.fence[sourceName];
  const fits = isMongod ? 'local' : engine === 'postgres-physical' || tool?.uses === 'pgbackrest' ? 'databases' : engine === 'postgres' || tool?.uses === 'pg_dump' ? 'database' : undefined;
  if (isMongod && !fence) complain(['fence'], `no fence for source "${sourceName}"`);
  if (fence && fence.uses !== fits) complain(['fence', sourceName, 'uses'], `"${fence.uses}" does not fence ${of}; ${fits ? `expected "${fits}"` : 'nothing does: leave it out, and its fence is never proved'}`);
  const [living, target] = [environment, system.standby.environment].map((place) => system.environments[place]?.endpoints[sourceName]?.uri);
  if (!isServer && living !== undefined && living === target) {
    complain(['environments', system.standby.environment, 'endpoints', sourceName, 'uri'], `is the address of the living source "${sourceName}": a restore would write over it`);
  }
}

/** The way home is held to what the way out is held to. */
function checkFailback(system: SystemFields, complain: Complain): void {
  if (!system.failback) return;
  const homes = homesOf(system.sources);
  if (homes.length > 1) complain(['failback'], `the sources are at home in different environments (${homes.join(', ')}): there is no one way home`);
  const turned = turnSystem(system);
  const ofFailback: Complain = ([first, ...rest], message) => complain(first === 'standby' ? ['failback', ...rest] : first === 'fence' ? ['failback', 'fence', ...rest] : [first!, ...rest], message);
  for (const sourceName of Object.keys(system.sources)) {
    if (!system.failback.provision[sourceName]) complain(['failback', 'provision'], `nothing provisions source "${sourceName}"`);
    checkEngine(turned, sourceName, ofFailback);
  }
}

/** What is moved aside must be what was fenced, and what is made anew must be the same server. */
function checkInPlace(system: SystemFields, complain: Complain): void {
  for (const name of runbookNames(system).filter((candidate) => isInPlace(system, candidate))) {
    const where = name === mainRunbook ? ['runbook'] : ['runbooks', name];
    for (const [source, { engine }] of Object.entries(system.sources)) {
      const made = system.failback?.provision[source];
      const fenced = system.fence[source];
      if (engine !== 'mongodb') complain([...where, 'mode'], `in-place restores a source of the engine "mongodb", and that of "${source}" is "${engine}"`);
      else if (made && made.directory !== (fenced?.uses === 'local' ? fenced.directory : undefined)) complain(['failback', 'provision', source, 'directory'], `runbook "${name}" restores in place: expected the directory that fence.${source} fences`);
    }
  }
}

function protectsSwap(system: SystemFields, name: string): boolean {
  try {
    const steps = expandRunbook(system, name);
    return steps.some((step) => step.uses === 'protect' && stepsBefore(steps, step).some(({ uses }) => uses === 'swap'));
  } catch {
    // Said by checkRunbooks.
    return true;
  }
}

/** What is brought into a living source is of an engine that can. */
function checkCopies(system: SystemFields, complain: Complain): void {
  for (const name of runbookNames(system)) {
    const mode = copiesOf(system, name);
    for (const [source, { engine }] of Object.entries(system.sources)) {
      const { partial, databases, rows } = abilitiesOf(engine);
      // Whoever asks for a recovery, and says no more, must get one.
      if (mode && name === mainRunbook && (mode === 'rows' || !databases)) complain(['runbook', 'mode'], `runbook is the way to the standby: put what restores ${describeMode(mode)} under runbooks`);
      // Its next base is of another database than its last.
      if (mode === 'swap' && databases && !protectsSwap(system, name)) complain([...(name === mainRunbook ? ['runbook'] : ['runbooks', name]), 'steps'], `what takes the place of "${source}" is another database: a step that uses protect must need, by way of others, the one that uses swap`);
      if (mode && !(mode === 'rows' ? rows : partial || databases)) complain([...(name === mainRunbook ? ['runbook'] : ['runbooks', name]), 'mode'], `${mode} brings data into what lives, and the engine "${engine}" of "${source}" cannot`);
    }
  }
}

/** A drill is apart from all that serves, and from all that is kept, or it is none. */
function checkDrill(system: SystemFields, complain: Complain): void {
  if (!system.drill) return;
  const { environment, provision } = system.drill;
  const place = system.environments[environment];
  if (!place) return complain(['drill', 'environment'], `unknown environment "${environment}"; known: ${Object.keys(system.environments).join(', ')}`);
  for (const sourceName of Object.keys(system.sources)) {
    const uri = place.endpoints[sourceName]?.uri;
    if (uri === undefined) complain(['environments', environment, 'endpoints'], `no endpoint for source "${sourceName}"`);
    const same = Object.entries(system.environments).find(([other, { endpoints }]) => other !== environment && Object.values(endpoints).some((endpoint) => endpoint.uri === uri));
    if (uri !== undefined && same) complain(['environments', environment, 'endpoints', sourceName, 'uri'], `is an address of ${same[0]} too: a drill is apart`);
    const made = provision[sourceName];
    if (!made) {
      complain(['drill', 'provision'], `nothing provisions source "${sourceName}"`);
      continue;
    }
    const kept = [system.standby.provision, system.fence, system.failback?.provision ?? {}, system.failback?.fence ?? {}].flatMap((places) => Object.values(places));
    if (kept.some((place) => 'directory' in place && place.directory === made.directory)) complain(['drill', 'provision', sourceName, 'directory'], 'is a directory of the standby, of home or of a fence too: a drill deletes what it restored');
    if ('contents' in made && made.contents === 'rows') complain(['drill', 'provision', sourceName, 'contents'], 'a drill drops what it restored to, and those tables were there before it');
    checkEngine(drillSystem(system), sourceName, ([first, ...rest], message) => complain(first === 'standby' ? ['drill', ...rest] : [first!, ...rest], message));
  }
  for (const { environment: home } of Object.values(system.sources)) {
    if (environment === home || environment === system.standby.environment) return complain(['drill', 'environment'], `"${environment}" is where the system lives, or its standby: a drill is apart`);
  }
}

/** A rule for nobody would seem to protect something. */
function checkRetention(system: SystemFields, complain: Complain): void {
  const { sources, approval } = system.retention ?? { sources: {} };
  for (const [name, { log }] of Object.entries(sources)) {
    const source = system.sources[name];
    if (!source) complain(['retention', 'sources', name], `unknown source "${name}"; known: ${Object.keys(system.sources).join(', ')}`);
    else if (log !== undefined && !abilitiesOf(source.engine).log) complain(['retention', 'sources', name, 'log'], `the engine "${source.engine}" archives no log`);
  }
  checkRoom(system, complain);
  if (approval !== undefined && !system.approvals[approval]) complain(['retention', 'approval'], `unknown gate "${approval}"; known: ${Object.keys(system.approvals).join(', ') || 'none'}`);
}

/** What passes the quota is never written, so a size of as much would never be passed: the store would be full, and nothing would go. */
function checkRoom({ stores, retention }: SystemFields, complain: Complain): void {
  const quota = stores[0]?.kind === 'local' ? stores[0].quota : undefined;
  const sized = Object.entries(retention?.sources ?? {}).flatMap(([name, { atMost }]) => (atMost === undefined ? [] : [{ name, atMost }]));
  const bytes = sized.reduce((sum, { atMost }) => sum + atMost, 0);
  if (quota === undefined || bytes < quota) return;
  for (const { name } of sized) complain(['retention', 'sources', name, 'atMost'], `${sized.length > 1 ? `all together ${formatBytes(bytes)}, and ` : ''}stores.0.quota is ${formatBytes(quota)}: nothing would go before the next base is refused. Leave room for one base at least between them`);
}

/** Rules that reach nothing would seem to protect somebody. */
function checkMask(system: SystemFields, complain: Complain): void {
  for (const source of Object.keys(system.mask ?? {})) {
    const engine = system.sources[source]?.engine;
    if (engine === undefined) complain(['mask', source], `unknown source "${source}"; known: ${Object.keys(system.sources).join(', ')}`);
    else if (!abilitiesOf(engine).rows) complain(['mask', source], lackOf({ system: system.system, source, engine }, 'rows'));
  }
}

function checkDisposal({ disposal, approvals }: SystemFields, complain: Complain): void {
  if (disposal && !approvals[disposal.approval]) complain(['disposal', 'approval'], `unknown gate "${disposal.approval}"; known: ${Object.keys(approvals).join(', ') || 'none'}`);
}

/** A proof that no source's engine can give would be a gate that nothing passes, or one that proves nothing. */
function checkValidators(system: SystemFields, complain: Complain): void {
  const provable = Object.values(system.sources).some(({ engine }) => abilitiesOf(engine).units);
  system.validators.forEach((validator, index) => {
    if (validator.uses === 'equality' && !provable) {
      const kinds = [...new Set(Object.values(system.sources).map(({ engine }) => `"${engine}"`))].join(' or ');
      complain(['validators', index], `equality (which is meant when validators is left out) cannot be proved of any source here: the engine ${kinds} knows nothing of what is inside a dump. Name other validators, or none: []`);
    }
    if (validator.uses === 'equality') return;
    const { engine, tool } = system.sources[validator.source] ?? {};
    if (validator.uses === 'query' && engine !== undefined && engine !== 'mongodb' && tool?.uses !== 'mongodump') complain(['validators', index, 'source'], `a query asks a MongoDB, and source "${validator.source}" is ${tool ? `restored by ${tool.uses === 'command' ? 'a command' : tool.uses}` : 'none'}`);
    if (validator.uses === 'sql') {
      const { equals, min, max } = validator;
      if (!(engine !== undefined && abilitiesOf(engine).sql) && tool?.uses !== 'pg_dump') complain(['validators', index, 'source'], `a question in SQL asks a PostgreSQL, and the engine of "${validator.source}" is "${engine ?? 'unknown'}"`);
      if (validator.database !== undefined && engine !== 'postgres-physical') complain(['validators', index, 'database'], `source "${validator.source}" is one database, and no other can be asked`);
      if ((equals === undefined) === (min === undefined && max === undefined)) complain(['validators', index], 'the answer that is expected: equals, or min, max or both');
      if (min !== undefined && max !== undefined && min > max) complain(['validators', index, 'max'], `at least min (${min})`);
    }
    if (validator.uses === 'command' && engine !== 'tool') complain(['validators', index, 'source'], `a command looks at a source of the engine "tool", and the engine of "${validator.source}" is "${engine ?? 'unknown'}"`);
  });
}

/** What is wrong between the parts of a system file, each of which is in order by itself. */
export function checkSystem(system: SystemFields, complain: Complain): void {
  checkPeople(system, complain);
  checkContacts(system, complain);
  const knowsEnvironment = (environment: string, path: (string | number)[]): void => {
    if (!system.environments[environment]) {
      complain(path, `unknown environment "${environment}"; known: ${Object.keys(system.environments).join(', ')}`);
    }
  };
  for (const [sourceName, source] of Object.entries(system.sources)) {
    knowsEnvironment(source.environment, ['sources', sourceName, 'environment']);
    for (const environment of [source.environment, system.standby.environment]) {
      if (system.environments[environment] && !system.environments[environment].endpoints[sourceName]) {
        complain(['environments', environment, 'endpoints'], `no endpoint for source "${sourceName}"`);
      }
    }
    if (source.environment === system.standby.environment) {
      complain(['standby', 'environment'], `"${source.environment}" is where source "${sourceName}" lives: a standby is another place`);
    }
    if (!system.traffic.sides[source.environment]) complain(['traffic', 'sides'], `no side for environment "${source.environment}", where source "${sourceName}" lives`);
    if (!system.standby.provision[sourceName]) complain(['standby', 'provision'], `nothing provisions source "${sourceName}"`);
    checkEngine(system, sourceName, complain);
  }
  checkValidators(system, complain);
  checkFailback(system, complain);
  checkInPlace(system, complain);
  checkCopies(system, complain);
  checkDrill(system, complain);
  checkRetention(system, complain);
  checkMask(system, complain);
  checkDisposal(system, complain);
  knowsEnvironment(system.standby.environment, ['standby', 'environment']);
  if (!system.traffic.sides[system.standby.environment]) complain(['traffic', 'sides'], `no side for the standby "${system.standby.environment}": traffic could not be switched to it`);
  for (const environment of Object.keys(system.traffic.sides)) knowsEnvironment(environment, ['traffic', 'sides', environment]);
  checkRunbooks(system, complain);
  checkIncidents(system, complain);
  checkSchedules(system, complain);
}
