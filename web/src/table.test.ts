import { expect, test } from "vitest";
import { addressOf, caseOf } from "./suite";
import { sorted } from "./table";
import type { Page } from "./model";
import { slowestOfEach } from "./over_time";
import { basis, isSupported } from "./verdict";

test("what was not measured comes last, whichever way the rest goes", () => {
  const rows = [3, null, 1, 2];
  expect(sorted(rows, (row) => row, false)).toEqual([1, 2, 3, null]);
  expect(sorted(rows, (row) => row, true)).toEqual([3, 2, 1, null]);
  expect(sorted(["b10", "b9", "a"], (row) => row, false)).toEqual(["a", "b9", "b10"]);
});

test("the address of a case reads back, and others name none", () => {
  for (const id of ["api::slow", 'a"b<&%', "日本"]) expect(caseOf(addressOf(id))).toBe(id);
  for (const hash of ["", "#", "#cases", "#case=%E0%A4%A"]) expect(caseOf(hash)).toBeNull();
});

test("a percentile with fewer than ten values above it is marked", () => {
  expect(isSupported(999, 0.99)).toBe(false);
  expect(isSupported(1000, 0.99)).toBe(true);
  expect(isSupported(20, 0.5)).toBe(true);
});

test("a percentile says what it rests on", () => {
  const page = (count: number, quantile_error: number | null, percentiles?: [number, number, number][]) =>
    ({ report: { response_time: { count, quantile_error } }, percentiles }) as unknown as Page;
  expect(basis(page(1000, 0.0014, [[0.5, 1, 2], [0.95, 11, 13.5]]), 0.95)).toBe("11 ms to 13.5 ms, 1,000 samples, bucket ± 0.14 %");
  expect(basis(page(7, 0.0014, [[0.5, 1, 2]]), 0.99)).toBe("7 samples, bucket ± 0.14 %");
  expect(basis(page(1, null), 0.5)).toBe("1 sample, interpolated");
  expect(basis(page(0, null), 0.5)).toBe("");
});

test("a table of a long run has the slowest interval of each row", () => {
  expect(slowestOfEach([1, 9, 2, 3, 3, 8, 4], 3)).toEqual([1, 5, 6]);
  expect(slowestOfEach([1, 2], 1)).toEqual([0, 1]);
  expect(slowestOfEach([], 1)).toEqual([]);
});
