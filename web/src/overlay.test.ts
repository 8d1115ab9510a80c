import { expect, test } from "vitest";
import { overlaid } from "./overlay";

test("each line is drawn over all moments as it would be alone", () => {
  const { xs, lines } = overlaid([
    { xs: [0, 1000, 2000], values: [10, 20, 40] },
    { xs: [500, 1500, 3500], values: [1, 2, 6] },
  ]);
  expect(xs).toEqual([0, 500, 1000, 1500, 2000, 3500]);
  expect(lines[0]).toEqual([10, 15, 20, 30, 40, null]);
  expect(lines[1]).toEqual([null, 1, 1.5, 2, 3, 6]);
});

test("a gap stays one, and a peak stays as high", () => {
  const { lines } = overlaid([
    { xs: [0, 10, 20, 30], values: [1, null, 900, 1] },
    { xs: [5, 15, 20, 25], values: [2, 2, 2, 2] },
  ]);
  expect(lines[0]).toEqual([1, null, null, null, 900, 450.5, 1]);
});

test("a run without intervals is no line", () => {
  expect(overlaid([{ xs: [], values: [] }, { xs: [1], values: [2] }]).lines).toEqual([[null], [2]]);
  expect(overlaid([]).xs).toEqual([]);
});
