/** The product as it is, given each trial that a mutant was caught by: what fails without a bug shows nothing. */
import { hunt } from './hunter.js';
import { runScenarios } from './scenario-hunter.js';

export class Control {
  private readonly passed = new Map<string, Promise<boolean>>();
  /** By file of scenarios: those that fail. */
  private readonly failedScenarios = new Map<string, Promise<ReadonlySet<string>>>();

  constructor(private readonly module: string) {}

  passes(trial: string): Promise<boolean> {
    let passed = this.passed.get(trial);
    if (passed === undefined) this.passed.set(trial, (passed = this.play(trial)));
    return passed;
  }

  /** `file`: the one it is in; empty: any. */
  async passesScenario(file: string, scenario: string): Promise<boolean> {
    let failed = this.failedScenarios.get(file);
    if (failed === undefined) this.failedScenarios.set(file, (failed = this.playScenarios(file)));
    return !(await failed).has(scenario);
  }

  async report(): Promise<string> {
    const passed = await Promise.all(this.passed.values());
    const failed = (await Promise.all(this.failedScenarios.values())).reduce((sum, { size }) => sum + size, 0);
    const count = passed.filter((one) => one).length;
    return `passes ${count} of the ${passed.length} trials; ${this.failedScenarios.size} files of scenarios, of which ${failed} fail`;
  }

  private async play(trial: string): Promise<boolean> {
    const outcome = await hunt(this.module, [trial]);
    if (outcome.kind !== 'clean') console.log(`the product as it is fails ${trial}, which so proves nothing: ${outcome.text}`);
    return outcome.kind === 'clean';
  }

  private async playScenarios(file: string): Promise<ReadonlySet<string>> {
    const failed = new Set((await runScenarios(null, file)).map((one) => one.scenario));
    for (const one of failed) console.log(`the product as it is fails scenario "${one}", which so proves nothing`);
    return failed;
  }
}
