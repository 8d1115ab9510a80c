import { expect, test } from "vitest";
import { decimated, logRange, lowerBound, type Columns } from "./decimation";

const seconds = (n: number) => Array.from({ length: n }, (_, i) => i);

test("a day keeps its peaks", () => {
  const xs = seconds(86_400);
  const peaks = new Set([17, 40_000, 86_399]);
  const columns: Columns = [xs.map((x) => (peaks.has(x) ? 999 : x % 7)), xs.map((x) => (x === 70_000 ? -5 : 1))];
  const [fewer, thin] = decimated(xs, columns, 0, 86_400, 2000);
  expect(fewer.length).toBeLessThanOrEqual(2002);
  expect(thin[0]?.filter((value) => value === 999).length).toBe(3);
  expect(Math.min(...(thin[1] as number[]))).toBe(-5);
  expect(fewer.every((x, i) => i === 0 || x > (fewer[i - 1] ?? 0))).toBe(true);
  expect(thin.every((column) => column.length === fewer.length)).toBe(true);
});

test("a zoom shows every row again, with a neighbour at each side", () => {
  const xs = seconds(86_400);
  const [fewer, thin] = decimated(xs, [xs], 100, 110, 2000);
  expect([fewer[0], fewer.at(-1)]).toEqual([99, 111]);
  expect(thin[0]).toEqual(fewer);
});

test("gaps stay gaps", () => {
  const xs = seconds(100);
  const [, thin] = decimated(xs, [xs.map((x) => (x < 50 ? null : x))], 0, 100, 10);
  expect(thin[0]?.[0]).toBeNull();
  expect(thin[0]?.at(-1)).toBe(99);
});

test("a logarithmic axis begins and ends at its ticks", () => {
  const close = ([a, b]: [number, number]) => [Number(a.toPrecision(9)), Number(b.toPrecision(9))];
  expect(close(logRange(12.6, 1030))).toEqual([10, 2000]);
  expect(close(logRange(0.00189, 0.01))).toEqual([0.001, 0.01]);
  expect(close(logRange(50, 50))).toEqual([50, 80]);
});

test("nothing is fine, too", () => {
  expect(decimated([], [[]], 0, 1, 10)).toEqual([[], [[]]]);
  expect(lowerBound([1, 2, 2, 3], 2)).toBe(1);
  expect(lowerBound([], 2)).toBe(0);
});
