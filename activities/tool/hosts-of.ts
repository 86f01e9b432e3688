export interface Host {
  host: string;
  /** as text; the scheme's own where the address names none, empty where that is not known */
  port: string;
}

const schemePorts: Record<string, string> = { mongodb: '27017', postgres: '5432', postgresql: '5432', mysql: '3306', redis: '6379', rediss: '6379', http: '80', https: '443' };

/** The hosts of an address such as `mongodb://a:1,b:2/?x` or `a:1`; none of a path or a `file:` address. */
export function hostsOf(address: string): Host[] {
  const [, scheme, authority] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(address) ?? /^()((?:\[[^\]]+\]|[^/\s:@]+):\d+)(?=[/?#]|$)/.exec(address) ?? [];
  if (scheme === undefined || scheme === 'file') return [];
  const hosts = authority!.slice(authority!.lastIndexOf('@') + 1).split(',').filter((one) => one !== '');
  return hosts.map((one) => {
    const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(one) ?? [undefined, one, undefined];
    return { host: host!.replace(/^\[|\]$/g, '').toLowerCase(), port: port ?? schemePorts[scheme.toLowerCase()] ?? '' };
  });
}
