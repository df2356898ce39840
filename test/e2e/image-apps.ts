/** Apps that are images, as the end-to-end tests of containers deploy and look at them. */
import { type AnyJson, type Ekiden, eventually } from './ekiden.js';

/** What httpd of the image serves at its first port. */
export async function page(task: AnyJson): Promise<string> {
  return await (await fetch(`http://${task.host}:${task.ports[0]}/index.html`)).text();
}

/** Deploys an app that cannot run; answers what its last failure says. */
export async function failureOf(ekiden: Ekiden, id: string, app: object): Promise<string> {
  await ekiden.send('PUT', `/v2/apps/${id}`, { id, ...app });
  let message = '';
  await eventually(`${id} fails`, async () => {
    message = (await ekiden.get(`/v2/apps/${id}?embed=app.lastTaskFailure`)).body.app.lastTaskFailure?.message ?? '';
    return message !== '';
  });
  return message;
}
