import { z } from 'zod';

const inAuthority = /\/\/[^/@\s]*:[^/@\s]+@/;
const inQuery = /[?&][a-z_]*(?:password|passwd|pwd)=[^&\s]/i;

/** Whether an address carries a password: before its host, or in its query. */
export const carriesPassword = (address: string): boolean => inAuthority.test(address) || inQuery.test(address);

/** Addresses may vary by environment, so they may be `${ENV}` too; they must not carry a password, nor may what that stands for where a program is given it. */
export const addressSchema = z
  .string()
  .min(1)
  .refine((text) => !carriesPassword(text), 'an address without user and password: put those under credentials');
