import { commandDeployer } from '../../../activities/deploy/command.ts';
import type { System } from '../../../workflows/domain/system.ts';

/** A worker's part of a deployment, to be killed in its middle: `node deploy-once.ts <system as JSON> <version>`. */
const system = JSON.parse(process.argv[2]!) as System;
await commandDeployer.deploy({ system, secret: () => Promise.reject(new Error('no secret is asked for')), signal: new AbortController().signal }, { environment: 'dr', version: process.argv[3]! });
