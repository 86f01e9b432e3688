import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { lockIds } from '../../workflows/domain/names.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import type { Owner } from './cleanup.ts';
import type { SystemStack } from './system-stack.ts';

/**
 * A shipped system file with the places of this stack: its store, its key, its front door, nobody who is told, and what `place` says. All else is as shipped: objectives, people, gates, commands,
 * validators, runbooks.
 */
export function shippedHere(stack: SystemStack, name: string, place: (file: SystemFile) => void): void {
  const read = (systems: string, system: string): SystemFile => parse(readFileSync(join(systems, `${system}.yaml`), 'utf8')) as SystemFile;
  const [demo, file] = [read(join(stack.home, 'systems'), 'demo'), read(join(import.meta.dirname, '..', '..', 'systems'), name)];
  Object.assign(file, { stores: demo.stores, key: demo.key, traffic: { ...file.traffic, directory: demo.traffic.directory, url: demo.traffic.url } });
  delete file.notify;
  place(file);
  writeFileSync(join(stack.home, 'systems', `${name}.yaml`), stringify(file));
}

/** An application that is well, behind the front door. @returns its host and port. */
export async function startSide(owner: Owner, environment: string): Promise<string> {
  const server = createServer((_, response) => response.writeHead(200, { 'x-holdfast-side': environment }).end('{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface PeopleOfRun {
  /** Waits for the gate, and answers it, one after the other. @returns its description */
  approve(gate: string, ...people: string[]): Promise<string>;
  /** Waits for the checklist, and confirms all of it. */
  confirm(step: string, by: string): Promise<void>;
}

/** People, as they answer a run. */
export function peopleOf(stack: SystemStack, system: string): PeopleOfRun {
  const run = stack.handle(lockIds.recover(system));
  return {
    approve: async (gate, ...people) => {
      const { state } = await stack.runIs(`the gate ${gate} is open`, ({ state: { gates } }) => gates.some((one) => one.gate === gate && one.status === 'open'), 120_000, system);
      for (const by of people) await run.executeUpdate('approve', { args: [{ gate, by }] });
      return state.gates.find((one) => one.gate === gate)!.description;
    },
    confirm: async (step, by) => {
      const { state } = await stack.runIs(`${step} waits`, ({ state: { steps } }) => steps.some(({ id, state: is }) => id === step && is === 'waiting'), 120_000, system);
      for (const { id: item } of state.steps.find(({ id }) => id === step)!.items!) await run.executeUpdate('confirm', { args: [{ step, item, by }] });
    },
  };
}
