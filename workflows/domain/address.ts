const inAuthority = /\/\/[^/@\s]*:[^/@\s]+@/;
const inQuery = /[?&][a-z_]*(?:password|passwd|pwd)=[^&\s]/i;

/** Whether an address carries a password: before its host, or in its query. */
export const carriesPassword = (address: string): boolean => inAuthority.test(address) || inQuery.test(address);
