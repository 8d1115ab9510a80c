import { expect, test } from "vitest";
import { changesOf, difference } from "./changes";
import type { Change, Page } from "./model";

function change(subject: string, effect: Change["effect"], ratio: number | null, negligible = false): Change {
  const figure = { value: 1, interval: null, samples: 1 };
  return { subject, unit: "milliseconds", before: figure, after: figure, ratio: { ...figure, value: ratio }, p_value: 0.5, effect, negligible };
}

const page = (changes: Change[], cases: Page[] = [], id?: string) =>
  ({ report: { changes, case: id === undefined ? null : { id, name: "" } }, cases }) as unknown as Page;

test("what matters comes first, and of that the largest", () => {
  const sorted = changesOf(
    page([
      change("same", "unchanged", 1.01),
      change("twice nothing", "unchanged", 2, true),
      change("slower", "regression", 1.2),
      change("nobody knows", "unclear", 1.9),
      change("half", "improvement", 0.5),
      change("faster", "improvement", 0.9),
      change("no ratio", "regression", null),
      change("much slower", "regression", 3),
    ]),
  );
  expect(sorted.map((one) => one.subject)).toEqual([
    "much slower", "slower", "no ratio", "half", "faster", "nobody knows", "same", "twice nothing",
  ]);
});

test("changes of cases name their case, and are sorted with the others", () => {
  const cases = [page([change("p50", "unchanged", 1)], [], "a"), page([change("p50", "regression", 1.3)], [], "b")];
  expect(changesOf(page([], cases)).map((one) => one.case)).toEqual([{ id: "b", name: "b" }, { id: "a", name: "a" }]);
});

test("an effect that this page does not know comes last", () => {
  const strange = change("strange", "sideways" as Change["effect"], 9);
  expect(changesOf(page([strange, change("same", "unchanged", 1)])).map((one) => one.subject)).toEqual(["same", "strange"]);
});

test("a ratio reads as a difference", () => {
  for (const [ratio, text] of [[1.123, "+12.3 %"], [0.5, "−50.0 %"], [1, "0.0 %"], [0.99999, "0.0 %"], [null, "–"]] as const) {
    expect(difference(ratio)).toBe(text);
  }
});
