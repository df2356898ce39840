/**
 * Metrics of one process in Prometheus' form. One registry each, never the library's global one: tests build several
 * processes in one.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** `registry.metrics()` is the text, `registry.contentType` its type. */
  readonly registry: Registry;
  /** `name` without the prefix; ends in `_total`. */
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** Buckets in the metric's unit, rising. */
  histogram<L extends string = never>(name: string, help: string, buckets: readonly number[], labels?: readonly L[]): Histogram<L>;
}

/** A fresh registry with Node's own metrics in it. Names become `<prefix>_<name>`. */
export function newMetrics(prefix: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const base = (name: string, help: string) => ({ name: `${prefix}_${name}`, help, registers: [registry] });
  return {
    registry,
    counter: (name, help, labels = []) => new Counter({ ...base(name, help), labelNames: [...labels] }),
    gauge: (name, help, labels = []) => new Gauge({ ...base(name, help), labelNames: [...labels] }),
    histogram: (name, help, buckets, labels = []) => new Histogram({ ...base(name, help), buckets: [...buckets], labelNames: [...labels] }),
  };
}
