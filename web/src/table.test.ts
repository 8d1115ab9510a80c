import { expect, test } from "vitest";
import { isSupported } from "./endpoints";
import { addressOf, caseOf } from "./suite";
import { sorted } from "./table";

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
