/** How far a pull of an engine is, from the lines of JSON that it tells. */
import { fieldIn, numberIn, textIn } from './engine-client.js';

export interface PullProgress {
  /** One line. Throws when the engine has failed, or the image is too large. */
  take(line: string): void;
}

const MIB = 1024 * 1024;
/** Told as each part of the whole comes. */
const PARTS = 10;

export function createPullProgress(name: string, maxBytes: number, tell: (text: string) => void): PullProgress {
  const layers = new Map<string, { current: number; total: number }>();
  let told = -1;
  return {
    take(line) {
      const news = parse(line);
      const failure = textIn(news, 'error') || textIn(fieldIn(news, 'errorDetail'), 'message');
      if (failure !== '') throw new Error(failure);
      const id = textIn(news, 'id');
      const detail = fieldIn(news, 'progressDetail');
      const total = numberIn(detail, 'total');
      // Extracting counts the same bytes once more.
      if (id === '' || textIn(news, 'status') !== 'Downloading' || total <= 0) return;
      layers.set(id, { current: numberIn(detail, 'current'), total });
      const sum = [...layers.values()].reduce((all, each) => ({ current: all.current + each.current, total: all.total + each.total }));
      if (sum.total > maxBytes) throw new Error(`it has ${mib(sum.total)} MiB or more, and this agent takes ${mib(maxBytes)}: raise --image-max-mib`);
      const part = Math.floor((PARTS * sum.current) / sum.total);
      if (part === told) return;
      told = part;
      tell(`pulling ${name}: ${mib(sum.current)} of ${mib(sum.total)} MiB`);
    },
  };
}

const mib = (bytes: number): number => Math.ceil(bytes / MIB);

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null; // Torn: the connection's end says more.
  }
}
