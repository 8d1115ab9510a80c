// Fewer rows for a picture than there are, without losing a peak.

/** One column per series; `null` is a gap. */
export type Columns = (number | null)[][];

/**
 * The rows with `from <= x <= to`, with one neighbour at each side so that lines go on to the edge, in at most about
 * `most` rows. Of rows that are put together two stay: the smallest values at their beginning, the largest at their end, so
 * that both extremes of every series are drawn.
 */
export function decimated(xs: number[], columns: Columns, from: number, to: number, most: number): [number[], Columns] {
  const begin = Math.max(0, lowerBound(xs, from) - 1);
  const end = Math.min(xs.length, lowerBound(xs, to) + 2);
  const rows = end - begin;
  if (rows <= most) return [xs.slice(begin, end), columns.map((column) => column.slice(begin, end))];
  const size = Math.ceil(rows / Math.max(1, Math.floor(most / 2)));
  const newXs: number[] = [];
  const newColumns: Columns = columns.map(() => []);
  for (let start = begin; start < end; start += size) {
    const stop = Math.min(start + size, end);
    newXs.push(xs[start] ?? 0);
    if (stop - start > 1) newXs.push(xs[stop - 1] ?? 0);
    columns.forEach((column, number) => {
      const [low, high] = extremes(column, start, stop);
      newColumns[number]?.push(low);
      if (stop - start > 1) newColumns[number]?.push(high);
    });
  }
  return [newXs, newColumns];
}

function extremes(column: (number | null)[], start: number, stop: number): [number | null, number | null] {
  let low: number | null = null;
  let high: number | null = null;
  for (let i = start; i < stop; i += 1) {
    const value = column[i];
    if (value == null) continue;
    if (low === null || value < low) low = value;
    if (high === null || value > high) high = value;
  }
  return [low, high];
}

/** A range for a logarithmic axis around values above zero, beginning and ending at a value of one digit, as its ticks do. */
export function logRange(low: number, high: number): [number, number] {
  const digit = (value: number, round: (value: number) => number) => {
    const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
    return round(Number((value / power).toFixed(6))) * power;
  };
  return [digit(low, Math.floor), digit(Math.max(high, low * 1.5), Math.ceil)];
}

/** Index of the first element that is not below `value`, in a rising list. */
export function lowerBound(sorted: number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? Infinity) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
