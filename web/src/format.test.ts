import { expect, test } from "vitest";
import { bytes, clock, millis, percent, plain, samplesNeeded, withUnit } from "./format";

test.each([
  [0, "0 ms"],
  [0.000123, "123 ns"],
  [0.0456, "45.6 µs"],
  [1, "1 ms"],
  [12.345, "12.3 ms"],
  [999.6, "1,000 ms"],
  [1500, "1.50 s"],
  [61_000, "1:01"],
  [null, "–"],
  [NaN, "–"],
])("%s milliseconds read %s", (value, text) => expect(millis(value)).toBe(text));

test.each([
  [0, "0 %"],
  [1, "100 %"],
  [0.5, "50 %"],
  [0.07, "7 %"],
  [0.1234, "12.3 %"],
  [0.0123, "1.23 %"],
  [0.999996, "99.9996 %"],
  [0.0000004, "0.00004 %"],
  [1 - 1e-12, "> 99.999999 %"],
])("rounding %s never flatters: %s", (value, text) => expect(percent(value)).toBe(text));

test("lengths and moments", () => {
  expect(clock(0)).toBe("0:00");
  expect(clock(59_999)).toBe("1:00");
  expect(clock(3_723_000)).toBe("1:02:03");
  expect(clock(1250, true)).toBe("0:01.25");
});

test("figures have at most three digits behind thousands", () => {
  expect(plain(1234567)).toBe("1,234,567");
  expect(plain(0.01234)).toBe("0.0123");
  expect(bytes(1_234_567)).toBe("1.23 MB");
  expect(withUnit(3, "per_second")).toBe("3 /s");
  expect(withUnit(50e6, "bytes", 1000)).toBe("50 MB per 1,000 requests");
});

test("a percentile needs ten values above it", () => {
  expect([0.5, 0.95, 0.99, 0.999].map(samplesNeeded)).toEqual([20, 200, 1000, 10_000]);
});
