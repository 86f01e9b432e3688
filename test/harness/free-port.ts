export { freePort } from '../../activities/tool/free-port.ts';
