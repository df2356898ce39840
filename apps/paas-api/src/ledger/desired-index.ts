/**
 * What has to be known of all apps at each write, kept so that a write does not look at every app: the service ports in
 * use and the apps that depend on others.
 */
import { servicePorts, type AppId } from '@ekiden/model';
import type { AppVersionRow } from '../store/paas-store.js';

export class DesiredIndex {
  /** Port → apps that use it: users may give one to several. */
  readonly portUsers = new Map<number, number>();
  readonly withDependencies = new Set<AppId>();

  add({ appId, spec }: AppVersionRow): void {
    for (const port of servicePorts(spec)) this.portUsers.set(port, (this.portUsers.get(port) ?? 0) + 1);
    if (spec.dependencies.length > 0) this.withDependencies.add(appId);
  }

  remove({ appId, spec }: AppVersionRow): void {
    for (const port of servicePorts(spec)) {
      const users = (this.portUsers.get(port) ?? 0) - 1;
      if (users > 0) this.portUsers.set(port, users);
      else this.portUsers.delete(port);
    }
    this.withDependencies.delete(appId);
  }
}
