/** Samples → medians beside one another, with ratios and aims; as tables for people, as JSON for machines. Pure. */
import Table from 'cli-table3';
import { AIMS, type Aim } from './aims.js';
import type { Sample } from './context.js';
import { CONTENDERS, type ContenderName } from './contender.js';
import { groupBy, median } from './statistics.js';

type RatioName = 'pm2' | 'floor' | 'cgroupFloor' | 'ociDocker' | 'ociPodman' | 'dockerDocker';

const RATIOS: readonly { readonly name: RatioName; readonly title: string; readonly of: ContenderName; readonly by: ContenderName }[] = [
  { name: 'pm2', title: '× PM2', of: 'ekiden', by: 'pm2' },
  { name: 'floor', title: '× floor', of: 'ekiden', by: 'floor' },
  { name: 'cgroupFloor', title: '× cgroup floor', of: 'ekiden-cgroup', by: 'floor-cgroup' },
  { name: 'ociDocker', title: 'oci × docker run', of: 'oci', by: 'docker run' },
  { name: 'ociPodman', title: 'oci × podman run', of: 'oci', by: 'podman run' },
  { name: 'dockerDocker', title: 'docker × docker run', of: 'docker', by: 'docker run' },
];

export interface Line {
  readonly figure: string;
  readonly what: string;
  readonly unit: Sample['unit'];
  readonly medians: Partial<Record<ContenderName, number>>;
  readonly rounds: Partial<Record<ContenderName, readonly number[]>>;
  /** Ekiden's median by another's; for the engines, those of the runtimes of images. */
  readonly ratios: Partial<Record<RatioName, number>>;
  readonly aims: readonly { readonly of: ContenderName; readonly aim: string; readonly isMet: boolean }[];
}

export function linesOf(samples: readonly Sample[]): readonly Line[] {
  const groups = groupBy(samples, ({ figure, what }) => `${figure}\0${what}`);
  return [...groups.values()].flatMap((group) => (group[0] === undefined ? [] : [lineOf(group[0], group)]));
}

function lineOf({ figure, what, unit }: Sample, samples: readonly Sample[]): Line {
  const rounds: Partial<Record<ContenderName, number[]>> = {};
  for (const { of, value } of samples) (rounds[of] ??= []).push(round(value));
  const medians: Partial<Record<ContenderName, number>> = {};
  for (const name of CONTENDERS) if (rounds[name] !== undefined) medians[name] = round(median(rounds[name]));
  const aims = AIMS.filter((aim) => aim.figure === figure && aim.what === what).flatMap((aim) => judge(aim, medians, unit));
  const ratios: Partial<Record<RatioName, number>> = {};
  for (const { name, of, by } of RATIOS) {
    const value = ratio(medians[of], medians[by]);
    if (value !== null) ratios[name] = value;
  }
  return { figure, what, unit, medians, rounds, ratios, aims };
}

const round = (value: number): number => Number(value.toPrecision(4));

const ratio = (one: number | undefined, other: number | undefined): number | null => (one === undefined || !other ? null : round(one / other));

function judge(aim: Aim, medians: Line['medians'], unit: string): Line['aims'] {
  const value = medians[aim.of];
  const base = aim.times === undefined ? 1 : medians[aim.times];
  if (value === undefined || base === undefined) return [];
  const isMet = (aim.atMost === undefined || value <= aim.atMost * base) && (aim.atLeast === undefined || value >= aim.atLeast);
  const bound = aim.atMost === undefined ? `≥ ${aim.atLeast}` : `≤ ${aim.atMost}`;
  return [{ of: aim.of, aim: aim.times === undefined ? `${bound} ${unit}` : `${bound} × ${aim.times}`, isMet }];
}

export function renderTables(lines: readonly Line[]): string {
  const figures = [...new Set(lines.map((line) => line.figure))];
  return figures.map((figure) => `${figure}\n${renderTable(lines.filter((line) => line.figure === figure))}`).join('\n\n');
}

function renderTable(lines: readonly Line[]): string {
  const names = CONTENDERS.filter((name) => lines.some((line) => line.medians[name] !== undefined));
  const shown = RATIOS.filter(({ name }) => lines.some(({ ratios }) => ratios[name] !== undefined));
  const table = new Table({ head: ['', 'unit', ...names, ...shown.map(({ title }) => title), 'aim'], style: { head: [], border: [] } });
  const show = (value: number | undefined): string => (value === undefined ? '' : String(value));
  for (const { what, unit, medians, ratios, aims } of lines) {
    const verdicts = aims.map(({ of, aim, isMet }) => `${isMet ? 'met' : 'MISSED'}: ${of} ${aim}`);
    table.push([what, unit, ...names.map((name) => show(medians[name])), ...shown.map(({ name }) => show(ratios[name])), verdicts.join('\n')]);
  }
  return table.toString();
}
