/** An event as a line: when, what, and the fields by which one would look for it. Pure. */
const TELLING = ['appId', 'runSpecId', 'taskStatus', 'condition', 'healthy', 'alive', 'host', 'taskId', 'instanceId', 'reason', 'message', 'uri', 'id'];

export function eventText(type: string, data: Readonly<Record<string, unknown>>): string {
  const time = typeof data.timestamp === 'string' ? data.timestamp.slice(11, 23) : '';
  const fields = TELLING.flatMap((name) => {
    const value = data[name];
    const isTelling = (typeof value === 'string' && value !== '') || typeof value === 'boolean' || typeof value === 'number';
    return isTelling ? [`${name}=${value}`] : [];
  });
  return [time, type, ...affectedApps(data), ...fields].filter((part) => part !== '').join(' ');
}

/** Events of deployments name their apps inside the plan. */
function affectedApps(data: Readonly<Record<string, unknown>>): readonly string[] {
  const text = typeof data.plan === 'object' ? JSON.stringify(data.plan) : '';
  return [...new Set([...text.matchAll(/"app":"([^"]+)"/g)].map((match) => match[1] ?? ''))];
}
