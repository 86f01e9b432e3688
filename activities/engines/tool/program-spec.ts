import type { SourceContext } from '../../context.ts';
import { rememberSecret } from '../../secrets.ts';

/** A program as it will be started. `{{file:NAME}}` in its arguments and variables still stands: the directory is made at the start. */
export interface ProgramSpec {
  /** for messages and manifests; no directory */
  name: string;
  path: string;
  args: string[];
  env: Record<string, string>;
  /** name to content: secret */
  files: Record<string, string>;
}

/** Resolved here and nowhere earlier: it stays in this process, and is taken out of whatever leaves it. */
export async function secretOf(context: SourceContext, ref: string): Promise<string> {
  const secret = await context.secret(ref);
  rememberSecret(secret);
  return secret;
}
