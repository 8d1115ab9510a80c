// From buckets to what is drawn: percentiles, the percentile spectrum, bars, and rows of a heatmap.

import type { Course, Distribution } from "./model";

/** A bucket: values above `low` up to `high`, in milliseconds. */
export interface Bucket {
  low: number;
  high: number;
  count: number;
}

/** The largest value of a bucket in milliseconds: bucket i holds nanoseconds up to 2^(i / 2^schema). */
export function upper(schema: number, index: number): number {
  return 2 ** (index / 2 ** schema) / 1e6;
}

/** The value in a bucket with the smallest relative error to either end. */
export function middle(bucket: Bucket): number {
  return bucket.low <= 0 ? bucket.high : 2 / (1 / bucket.low + 1 / bucket.high);
}

/** The largest relative error of a percentile that is taken from buckets of a schema. */
export function error(schema: number): number {
  const ratio = 2 ** (1 / 2 ** schema);
  return (ratio - 1) / (ratio + 1);
}

/** The buckets of a distribution that hold something, rising. */
export function bucketsOf(distribution: Distribution): Bucket[] {
  const zeros = distribution.zeros > 0 ? [{ low: 0, high: 0, count: distribution.zeros }] : [];
  return zeros.concat(
    distribution.buckets.flatMap(([first = 0, ...counts]) =>
      counts.map((count, offset) => bucket(distribution.schema, first + offset, count)),
    ),
  );
}

/** The buckets of a column of a course, empty ones left out. */
export function bucketsOfColumn(course: Course, column: number[]): Bucket[] {
  const [, , , first = 0, ...counts] = column;
  return counts
    .map((count, offset) => bucket(course.schema, first + offset, count))
    .filter((one) => one.count > 0);
}

function bucket(schema: number, index: number, count: number): Bucket {
  return { low: upper(schema, index - 1), high: upper(schema, index), count };
}

/** A percentile by nearest rank; null of nothing. */
export function quantile(buckets: Bucket[], q: number): number | null {
  const total = buckets.reduce((sum, one) => sum + one.count, 0);
  if (total === 0) return null;
  const rank = Math.min(total, Math.max(1, Math.ceil(q * total - 1e-9)));
  let seen = 0;
  for (const one of buckets) {
    seen += one.count;
    if (seen >= rank) return middle(one);
  }
  return null;
}

/** A point of the percentile spectrum: `q` of all values are at most `value`. */
export interface SpectrumPoint {
  /** 1 / (1 − q): 100 is the 99th percentile. */
  x: number;
  q: number;
  value: number;
}

/**
 * The percentile spectrum up to the percentile above which a single value lies; `max` is the largest value, known exactly.
 */
export function spectrum(distribution: Distribution): SpectrumPoint[] {
  const points: SpectrumPoint[] = [];
  let seen = 0;
  for (const one of bucketsOf(distribution)) {
    seen += one.count;
    const above = distribution.count - seen;
    // At the last value no share lies above: it stands where half a value would.
    const x = distribution.count / Math.max(above, 0.5);
    const largest = distribution.max_ms ?? one.high;
    points.push({ x, q: 1 - 1 / x, value: above === 0 ? largest : Math.min(one.high, largest) });
  }
  return points;
}

/** Bars with `perDoubling` of them between a value and its double. */
export function bars(distribution: Distribution, perDoubling: number): Bucket[] {
  const schema = Math.log2(perDoubling);
  const by = 2 ** Math.max(0, distribution.schema - schema);
  const sums = new Map<number, number>();
  for (const [first = 0, ...counts] of distribution.buckets) {
    counts.forEach((count, offset) => {
      const index = Math.ceil((first + offset) / by);
      sums.set(index, (sums.get(index) ?? 0) + count);
    });
  }
  return [...sums].sort(([a], [b]) => a - b).map(([index, count]) => bucket(Math.min(schema, distribution.schema), index, count));
}

/**
 * Events per second of spans of time. A run ends within an interval: what the last few milliseconds counted is put together
 * with the span before, or it would look like a rate that nobody ever saw.
 */
export function rates(counts: number[], from: number[], to: number[]): (number | null)[] {
  const length = (i: number) => (to[i] ?? 0) - (from[i] ?? 0);
  return counts.map((count, i) => {
    const [own, before] = [length(i), i > 0 ? length(i - 1) : 0];
    if (own <= 0) return null;
    if (own >= before / 4) return (count / own) * 1000;
    return ((count + (counts[i - 1] ?? 0)) / (own + before)) * 1000;
  });
}

/** Figures over time of a course. */
export interface CourseFigures {
  /** Middle of each column, milliseconds. */
  at: number[];
  perSecond: (number | null)[];
  failedPerSecond: (number | null)[];
  p50: (number | null)[];
  p95: (number | null)[];
  p99: (number | null)[];
  max: (number | null)[];
}

export function figuresOf(course: Course): CourseFigures {
  const figures: CourseFigures = { at: [], perSecond: [], failedPerSecond: [], p50: [], p95: [], p99: [], max: [] };
  const columns = course.columns.filter(([from = 0, to = 0]) => to > from);
  const [from, to] = [columns.map((column) => column[0] ?? 0), columns.map((column) => column[1] ?? 0)];
  const totals = columns.map(([, , , , ...counts]) => counts.reduce((sum, count) => sum + count, 0));
  figures.perSecond = rates(totals, from, to);
  figures.failedPerSecond = rates(columns.map((column) => column[2] ?? 0), from, to);
  for (const column of columns) {
    const buckets = bucketsOfColumn(course, column);
    figures.at.push(((column[0] ?? 0) + (column[1] ?? 0)) / 2);
    figures.p50.push(quantile(buckets, 0.5));
    figures.p95.push(quantile(buckets, 0.95));
    figures.p99.push(quantile(buckets, 0.99));
    figures.max.push(buckets.at(-1)?.high ?? null);
  }
  return figures;
}

/** A cell of a heatmap: so many requests ended in this time with such a response time. */
export interface Cell extends Bucket {
  from: number;
  to: number;
  /** Requests per second, so that columns of different length compare. */
  density: number;
}

/** Rows of a heatmap between a value and its double, as an exponent: finer ones are mostly empty. */
const ROWS = 2;

export function cellsOf(course: Course): Cell[] {
  const schema = Math.min(course.schema, ROWS);
  const by = 2 ** (course.schema - schema);
  return course.columns.flatMap(([from = 0, to = 0, , first = 0, ...counts], i) => {
    const [begin = 0, end = 0] = course.columns[i - 1] ?? [];
    // The last few milliseconds of a run are not denser than all the time before.
    const seconds = Math.max(to - from, (end - begin) / 4, 1) / 1000;
    const rows = new Map<number, number>();
    counts.forEach((count, offset) => {
      const row = Math.ceil((first + offset) / by);
      if (count > 0) rows.set(row, (rows.get(row) ?? 0) + count);
    });
    return [...rows].map(([row, count]) => ({ ...bucket(schema, row, count), from, to, density: count / seconds }));
  });
}
