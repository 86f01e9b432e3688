import { z } from 'zod';

/** What a system file gives a name of its own: a system, a source, an environment, a store, a gate, a person. It becomes part of keys in the bucket and of workflow ids. */
export const nameSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes, at most 63 characters');
