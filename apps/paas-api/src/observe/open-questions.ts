/** Tasks that the master was asked about and has not answered for good, by app: a commit of an app looks at that app's only. */
import { parseTaskId, type AppId, type TaskId } from '@ekiden/model';

export class OpenQuestions {
  private readonly byApp = new Map<AppId, Set<TaskId>>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  has(taskId: TaskId): boolean {
    const app = parseTaskId(taskId)?.appId;
    return app !== undefined && this.byApp.get(app)?.has(taskId) === true;
  }

  /** Nothing is kept of a task whose id is not of ours. */
  add(taskId: TaskId): void {
    const app = parseTaskId(taskId)?.appId;
    if (app === undefined || this.has(taskId)) return;
    this.byApp.set(app, (this.byApp.get(app) ?? new Set()).add(taskId));
    this.count += 1;
  }

  delete(taskId: TaskId): void {
    const app = parseTaskId(taskId)?.appId;
    const tasks = app === undefined ? undefined : this.byApp.get(app);
    if (app === undefined || tasks?.delete(taskId) !== true) return;
    this.count -= 1;
    if (tasks.size === 0) this.byApp.delete(app);
  }

  /** Drops those of an app for which `isMeant` does not hold. */
  keep(app: AppId, isMeant: (taskId: TaskId) => boolean): void {
    for (const taskId of this.byApp.get(app) ?? []) if (!isMeant(taskId)) this.delete(taskId);
  }

  clear(): void {
    this.byApp.clear();
    this.count = 0;
  }
}
