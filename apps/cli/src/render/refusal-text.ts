/** An error answer of the API as text: what is wrong with which field, and what to do next. Pure. */

export interface RefusalText {
  readonly message: string;
  readonly hint: string | null;
}

export function explainRefusal(status: number, body: unknown): RefusalText {
  const message = [textOf(field(body, 'message')) ?? (typeof body === 'string' && body !== '' ? body.slice(0, 300) : `the API answered ${status}`)];
  for (const line of detailLines(field(body, 'details'))) message.push(`  ${line}`);
  return { message: message.join('\n'), hint: hintFor(status, body) };
}

function hintFor(status: number, body: unknown): string | null {
  const own = textOf(field(body, 'remedy'));
  if (own !== null) return own;
  switch (status) {
    case 401:
      return 'put the token into a file and name it in EKIDEN_TOKEN_FILE';
    case 403:
      return 'another token, or fewer deployments at a time: `ekiden deployments` shows what runs';
    case 404:
      return hintForMissing(textOf(field(body, 'message')) ?? '');
    case 409:
      if (/ does not run: | has no instances: /.test(textOf(field(body, 'message')) ?? '')) return '`ekiden why <app>` says what it waits for';
      return deploymentIds(body).length > 0
        ? `wait for it (\`ekiden deployments\`), or replace it with --force`
        : 'it exists already: `ekiden deploy` updates it';
    case 422:
      return 'correct the fields named above, then try again';
    case 502:
      return '`ekiden nodes` shows which agents are there';
    case 503:
      if ((textOf(field(body, 'message')) ?? '').includes('which is the limit')) return 'end one of them, and try again';
      return 'the API is starting or not leading: try again in a moment';
    default:
      return null;
  }
}

function hintForMissing(message: string): string {
  if (message.includes(' in version ')) return '`ekiden rollback <app> --to list` lists the versions that are kept';
  if (message.startsWith('DeploymentPlan ')) return '`ekiden deployments` lists those that run, and those that are over';
  if (message.startsWith('Task ')) return '`ekiden app <app>` lists the tasks of an app';
  return '`ekiden apps` lists what there is';
}

function deploymentIds(body: unknown): readonly unknown[] {
  const list = field(body, 'deployments');
  return Array.isArray(list) ? list : [];
}

function detailLines(details: unknown): readonly string[] {
  if (typeof details === 'string') return [details];
  if (!Array.isArray(details)) return [];
  return details.flatMap((detail: unknown) => {
    const errors = field(detail, 'errors');
    const path = textOf(field(detail, 'path')) ?? '';
    return Array.isArray(errors) ? errors.map((error) => `${path === '' ? '/' : path}: ${String(error)}`) : [];
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
