/** Health and readiness checks have to point at something that exists (9.5). */
import type { Violation } from '@ekiden/model';
import type { CanonicalApp, CanonicalHealthCheck } from './canonical-app.js';
import { MAX_ARGUMENT_BYTES } from './limits.js';
import { portsOf } from './networks.js';

export function checkHealthChecks(app: CanonicalApp): Violation[] {
  const checks = app.healthChecks ?? [];
  const found = checks.flatMap((check, index) => {
    const path = `/healthChecks(${index})`;
    return check.protocol === 'COMMAND' ? commandViolations(check, path) : networkViolations(check, path, portsOf(app).length);
  });
  const byMesos = checks.filter((check) => check.protocol.startsWith('MESOS_')).length;
  if (byMesos > 1)
    found.push({ path: '/', errors: [`at most one health check of the kinds MESOS_HTTP, MESOS_HTTPS and MESOS_TCP may be given; got ${byMesos}`] });
  return found;
}

function commandViolations(check: CanonicalHealthCheck, path: string): Violation[] {
  const value = check.command?.value ?? '';
  if (value === '') return [{ path, errors: ['a COMMAND health check needs command.value'] }];
  if (value.includes('\0') || value.length >= MAX_ARGUMENT_BYTES)
    return [{ path: `${path}/command/value`, errors: ['must not contain a zero byte and has to be shorter than 128 KiB'] }];
  return [];
}

function networkViolations(check: CanonicalHealthCheck, path: string, portCount: number): Violation[] {
  const errors: string[] = [];
  const { port, portIndex } = check;
  if (port === 0) errors.push('port has to be between 1 and 65535: use portIndex for a port that is assigned');
  if (port === undefined && portIndex === undefined) errors.push('Health check port indices must address an element of the ports array: the app has no ports');
  if (portIndex !== undefined && port === undefined && portIndex >= portCount) {
    errors.push(`Health check port indices must address an element of the ports array: portIndex is ${portIndex}, the app has ${portCount} ports`);
  }
  if (check.ipProtocol === 'IPv6') errors.push('IPv6 health checks are for images under MESOS checks only: leave ipProtocol out');
  return errors.length > 0 ? [{ path, errors }] : [];
}

export function checkReadinessChecks(app: CanonicalApp): Violation[] {
  const checks = app.readinessChecks ?? [];
  const found: Violation[] = [];
  if (checks.length > 1) found.push({ path: '/readinessChecks', errors: [`got ${checks.length}, expected 1 or less`] });
  for (const [index, check] of checks.entries()) {
    if (!portsOf(app).some((port) => port.name === check.portName)) {
      found.push({
        path: `/readinessChecks(${index})/portName`,
        errors: [`no port definition for portName "${check.portName}": name one of the app's ports so`],
      });
    }
    if (check.timeoutSeconds >= check.intervalSeconds) {
      found.push({ path: `/readinessChecks(${index})/timeoutSeconds`, errors: [`got ${check.timeoutSeconds}, expected less than ${check.intervalSeconds}`] });
    }
  }
  return found;
}
