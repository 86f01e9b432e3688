import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { resolveSecret } from '../../activities/secrets.ts';
import { AesPayloadCodec } from '../../workers/codec/payload-codec.ts';
import { payloadKeysVariable, readPayloadKeys } from '../../workers/codec/payload-keys.ts';
import { serveCodec } from '../../workers/codec/serve-codec.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';

/** `holdfast codec …`: encryption of what Temporal keeps. docs/payload-encryption.md */
export function codec(cli: Cli): void {
  const group = cli.group('codec', 'encrypt what Temporal keeps, and let its UI read it');
  cli.add<[string], { id?: string }>(
    'new-key <file>',
    `put a new key on top of the file that ${payloadKeysVariable} names; makes the file where there is none`,
    (command) => command.option('--id <id>', 'its name; left out: today’s date and four random digits'),
    async (printer, { id = `k${new Date().toISOString().slice(0, 10)}-${randomBytes(2).toString('hex')}` }, file) => {
      const older = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? '' : Promise.reject(error)));
      const text = `${id} ${randomBytes(32).toString('hex')}\n${older}`;
      // Renamed into place: a kill in the middle must not cost the older keys, which running workflows need.
      await writeFile(`${file}.new`, text, { mode: 0o600 });
      await rename(`${file}.new`, file);
      const keys = (await readPayloadKeys({ [payloadKeysVariable]: file })).length;
      printer.result({ file, id, keys }, () => `key ${id} is the first of ${keys} in ${file}\nnext           the same file on every worker and for whoever uses the CLI, then ${payloadKeysVariable}=${file} and start the workers again`);
    },
    group,
  );

  cli.add<[], { ui: string; token: string; host: string; port: string }>(
    'serve',
    'the codec server of the Temporal UI, until ctrl-C or SIGTERM',
    (command) =>
      command
        .requiredOption('--ui <origin>', 'where the browser finds the UI, such as http://127.0.0.1:8233: no other page may read an answer')
        .requiredOption('--token <reference>', 'what people sign in with: file:PATH or ${ENV_NAME}, never the token itself')
        .option('--host <address>', 'a loopback address; for others put a proxy with TLS in front', '127.0.0.1')
        .option('--port <port>', 'left out: any free one', '0'),
    async (printer, { ui, token, host, port }) => {
      const keys = await readPayloadKeys();
      if (keys.length === 0) throw new HoldfastError('BadInput', `${payloadKeysVariable} is not set: there is nothing to decrypt with.`, { hint: 'holdfast codec new-key FILE makes a key' });
      const server = await serveCodec({ codec: new AesPayloadCodec(keys), token: await resolveSecret(token, process.cwd()), uiOrigin: originOf(ui), host: loopback(host), port: portOf(port) });
      const url = `http://${host}:${(server.address() as AddressInfo).port}`;
      printer.result({ url, ui: originOf(ui) }, () => `codec server   ${url}\nsign in        open ${url}/ in the browser that shows ${originOf(ui)}\nin the UI      codec server settings: this address, with cross-origin credentials included`);
      await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
    group,
  );
}

function originOf(ui: string): string {
  if (!URL.canParse(ui) || !/^https?:$/.test(new URL(ui).protocol)) throw new HoldfastError('BadInput', `--ui ${ui}: expected an address such as http://127.0.0.1:8233`);
  return new URL(ui).origin;
}

function loopback(host: string): string {
  if (host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)) return host;
  throw new HoldfastError('BadInput', `--host ${host}: the codec server answers in plain HTTP, so it listens on loopback only`, { hint: 'put a proxy with TLS in front of it' });
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new HoldfastError('BadInput', `--port ${text}: expected a number from 0 to 65535`);
}
