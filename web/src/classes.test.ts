import { expect, test } from "vitest";
import { classesOf } from "./classes";

test("the classes with the most failures come first, and none is lost", () => {
  const failures = { a: [1, 0], b: [0, 9], c: [2, 2], d: [1, 1] };
  expect(classesOf({}, 2)).toEqual([]);
  expect(classesOf(failures, 9).map((one) => one.label)).toEqual(["b", "c", "d", "a"]);
  const few = classesOf(failures, 2);
  expect(few.map((one) => one.label)).toEqual(["b", "c", "2 other classes"]);
  expect(few[2]?.values).toEqual([2, 1]);
  expect(classesOf(failures, 3).map((one) => one.label)).toEqual(["b", "c", "d", "a"]);
});
