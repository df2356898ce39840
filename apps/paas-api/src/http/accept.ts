/** What a client takes, by its `Accept` header (RFC 9110, 12.5.1): the most specific range that covers a type decides. */

interface Range {
  readonly type: string;
  readonly quality: number;
}

/** Ranges that are read; a longer header is cut. */
const MAX_RANGES = 40;

/**
 * The offered type that the client prefers, the first of equals; null when it takes none of them. Without a header, or with an
 * empty one, everything is taken.
 */
export function preferredType(accept: string | undefined, offered: readonly string[]): string | null {
  const ranges = rangesOf(accept ?? '');
  if (ranges.length === 0) return offered[0] ?? null;
  let best: string | null = null;
  let bestQuality = 0;
  for (const type of offered) {
    const quality = qualityOf(type, ranges);
    if (quality <= bestQuality) continue;
    best = type;
    bestQuality = quality;
  }
  return best;
}

/** Whether JSON may be sent. Asked at every read, so the common headers are known by heart. */
export const takesJson = (accept: string | undefined): boolean =>
  accept === undefined || accept === '*/*' || accept === 'application/json' || preferredType(accept, ['application/json']) !== null;

function rangesOf(accept: string): Range[] {
  const parts = accept.split(',', MAX_RANGES).map((part) => part.split(';').map((piece) => piece.trim().toLowerCase()));
  return parts.flatMap(([type = '', ...parameters]) => (type === '' ? [] : [{ type, quality: readQuality(parameters) }]));
}

function readQuality(parameters: readonly string[]): number {
  const text = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const quality = text === undefined ? 1 : Number(text);
  return Number.isNaN(quality) ? 1 : Math.min(1, Math.max(0, quality));
}

function qualityOf(type: string, ranges: readonly Range[]): number {
  const family = `${type.split('/', 1)[0] ?? ''}/*`;
  for (const wanted of [type, family, '*/*']) {
    const range = ranges.find((one) => one.type === wanted);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
