/** An app that has nothing to do with a test, and proves that nothing else suffered: its task and process stay the same ones. */
import type { Ekiden } from './ekiden.js';

const ID = 'test/bystander';

export class Bystander {
  private constructor(
    private readonly ekiden: Ekiden,
    private readonly taskId: string,
    private readonly pids: readonly number[],
  ) {}

  static async deploy(ekiden: Ekiden): Promise<Bystander> {
    // Not on an agent that a test has added.
    await ekiden.deploy({ id: `/${ID}`, cmd: 'exec sleep 100000', cpus: 0.01, mem: 16, constraints: [['test', 'UNLIKE', '.+']] });
    const [task] = await ekiden.tasks(ID);
    return new Bystander(ekiden, task.id, pidsOf(ekiden, task.id));
  }

  /** The API answers, and the same task with the same processes runs. */
  async isUnharmed(): Promise<void> {
    const tasks = await this.ekiden.tasks(ID);
    expect(tasks.map((task) => [task.id, task.state])).toEqual([[this.taskId, 'TASK_RUNNING']]);
    expect(pidsOf(this.ekiden, this.taskId)).toEqual(this.pids);
  }
}

const pidsOf = (ekiden: Ekiden, taskId: string): number[] =>
  ekiden
    .taskProcesses()
    .filter((process) => process.taskId === taskId)
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);
