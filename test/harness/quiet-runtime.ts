import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';

// Failures that tests provoke are warnings to the worker; they would bury the one that matters.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
});
