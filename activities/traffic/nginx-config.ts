import type { TrafficState } from '../../workflows/contract.ts';

/** How long a client that got the maintenance answer is asked to wait. */
const retryAfterSeconds = 1;

/**
 * The text of admission.conf, which nginx.conf includes inside `http { }`. It defines, and is all that a switch rewrites:
 * `$holdfast_admitted` ("1" or ""), the upstream `holdfast_side`, and `$holdfast_admission` (tells one state from another).
 * The state stands in its first line, so that reading it needs no other memory.
 */
export function admissionConfig(state: TrafficState & { environment: string }, upstream: string): string {
  const { percent } = state;
  const split = percent >= 100 ? '* 1;' : percent <= 0 ? '* "";' : `${percent}% 1; * "";`;
  return `${stateMark}${JSON.stringify(state)}
split_clients "$request_id" $holdfast_admitted { ${split} }
map "" $holdfast_admission { default "${admissionId(state)}"; }
upstream holdfast_side { server ${upstream} max_fails=0; }
`;
}

const stateMark = '# holdfast ';

/** One state's name in the answers' `x-holdfast-admission` header. */
export const admissionId = ({ environment, percent, changedAt }: TrafficState): string => `${environment ?? 'none'} ${percent} ${changedAt}`;

/** The state that admission.conf names; undefined when it is not ours. */
export function parseAdmission(text: string): TrafficState | undefined {
  const [first] = text.split('\n');
  return first?.startsWith(stateMark) ? (JSON.parse(first.slice(stateMark.length)) as TrafficState) : undefined;
}

/**
 * The `server { }` block of a front door that a switch works: who is let in goes to the side, the rest are asked to come
 * back. A request is never sent twice: it may have been a write.
 */
const frontDoorServer = (listen: string): string => `server {
  listen ${listen};
  add_header x-holdfast-admission $holdfast_admission always;
  error_page 418 = @maintenance;
  location / {
    if ($holdfast_admitted = "") { return 418; }
    proxy_pass http://holdfast_side;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_next_upstream off;
    proxy_connect_timeout 2s;
  }
  location @maintenance {
    add_header Retry-After ${retryAfterSeconds} always;
    add_header x-holdfast-admission $holdfast_admission always;
    default_type text/plain;
    return 503 "Moving to another place. Please try again in a moment.\\n";
  }
}
`;

/** A whole nginx.conf for a directory of its own: logs, pid and temporary files stay in it, and it runs as any user. */
export const frontDoorConfig = (listen: string): string => `worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path temp_body;
  proxy_temp_path temp_proxy;
  fastcgi_temp_path temp_fastcgi;
  uwsgi_temp_path temp_uwsgi;
  scgi_temp_path temp_scgi;
  include admission.conf;
  ${frontDoorServer(listen).trimEnd().replaceAll('\n', '\n  ')}
}
`;
