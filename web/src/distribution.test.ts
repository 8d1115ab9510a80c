import { expect, test } from "vitest";
import { bars, bucketsOf, cellsOf, error, figuresOf, quantile, rates, spectrum, upper } from "./distribution";
import type { Course, Distribution } from "./model";

/** Buckets of schema 5 around a value in milliseconds. */
const index = (ms: number) => Math.ceil(Math.log2(ms * 1e6) * 32);

/** 990 requests of about 10 ms, 10 of about 1 s. */
const twoModes: Distribution = {
  endpoint: null,
  metric: "response_time",
  schema: 5,
  count: 1000,
  zeros: 0,
  min_ms: 9.9,
  max_ms: 1001,
  buckets: [
    [index(10), 500, 490],
    [index(1000), 10],
  ],
};

test("bucket bounds are powers of two at whole octaves", () => {
  expect(upper(5, 32 * 20)).toBeCloseTo(2 ** 20 / 1e6, 12);
  expect(error(8)).toBeCloseTo(0.00135, 4);
  expect(error(5)).toBeCloseTo(0.0108, 4);
});

test("percentiles are those of the nearest rank", () => {
  const buckets = bucketsOf(twoModes);
  expect(quantile(buckets, 0.5)).toBeCloseTo(10, 0);
  expect(quantile(buckets, 0.99)).toBeCloseTo(10.2, 0);
  expect((quantile(buckets, 0.991) ?? 0) / 1000).toBeCloseTo(1, 1);
  expect(quantile([], 0.5)).toBeNull();
  expect(quantile(bucketsOf({ ...twoModes, zeros: 2000, count: 3000 }), 0.5)).toBe(0);
});

test("the spectrum rises to the largest value, which is exact", () => {
  const points = spectrum(twoModes);
  expect(points.map((point) => point.x)).toEqual([2, 100, 2000]);
  expect(points[1]?.q).toBeCloseTo(0.99, 12);
  expect(points.at(-1)?.value).toBe(1001);
  expect(points.every((point, i) => i === 0 || point.value >= (points[i - 1]?.value ?? 0))).toBe(true);
  expect(spectrum({ ...twoModes, count: 0, buckets: [] })).toEqual([]);
});

test("bars hold everything once, and two modes stay apart", () => {
  const all = bars(twoModes, 4);
  expect(all.reduce((sum, bar) => sum + bar.count, 0)).toBe(1000);
  const last = all.at(-1);
  expect(last?.count).toBe(10);
  expect(last?.low).toBeLessThan(1000);
  expect((last?.high ?? 0) / (last?.low ?? 1)).toBeCloseTo(2 ** 0.25, 9);
  expect(bars(twoModes, 64).length).toBe(3);
});

test("the last milliseconds of a run are no burst", () => {
  expect(rates([100, 100, 20], [0, 1000, 2000], [1000, 2000, 2001])[2]).toBeCloseTo(120 / 1.001, 9);
  expect(rates([100, 50], [0, 1000], [1000, 1500])).toEqual([100, 100]);
  expect(rates([5, 1], [0, 7], [7, 7])[1]).toBeNull();
  const cells = cellsOf({ endpoint: null, schema: 2, columns: [[0, 1000, 0, 80, 100], [1000, 1001, 0, 80, 20]] });
  expect(cells.map((cell) => cell.density)).toEqual([100, 80]);
});

test("a course has figures per column, and a silent column none", () => {
  const first = 4 * 20;
  const course: Course = {
    endpoint: null,
    schema: 2,
    columns: [
      [0, 1000, 1, first, 10, 0, 0, 2],
      [1000, 3000, 0],
    ],
  };
  const figures = figuresOf(course);
  expect(figures.at).toEqual([500, 2000]);
  expect(figures.perSecond).toEqual([12, 0]);
  expect(figures.failedPerSecond).toEqual([1, 0]);
  expect(figures.p50[1]).toBeNull();
  expect(figures.max[0]).toBeCloseTo(upper(2, first + 3), 12);
  const cells = cellsOf(course);
  expect(cells.map((cell) => cell.count)).toEqual([10, 2]);
  expect(cells[0]).toMatchObject({ from: 0, to: 1000, density: 10 });
  // Finer buckets share a row.
  const finer = cellsOf({ endpoint: "a", schema: 3, columns: [[0, 2000, 0, 2 * first - 1, 3, 1, 5]] });
  expect(finer.map(({ count, density }) => [count, density])).toEqual([[4, 2], [5, 2.5]]);
  expect(finer[0]?.high).toBeCloseTo(upper(2, first), 12);
});
