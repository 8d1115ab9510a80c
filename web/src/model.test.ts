import { describe, expect, test } from "vitest";
import { continues, momentsOf, merged, problemOf, until, type Page, type Timeline } from "./model";

function timeline(from: number, to: number): Timeline {
  const seconds = Array.from({ length: to - from }, (_, i) => from + i);
  const all = seconds.map((second) => second * 1000);
  const ends = all.map((at) => at + 1000);
  const same = { warmup: all, due: all, requests: all, failed: all, users: all, dropped: all };
  const times = { p50_us: all, p95_us: all, p99_us: all, max_us: all };
  return { from_ms: all, to_ms: ends, ...same, ...times, service_p95_us: all, start_lag_p99_us: all, worker_cpu: all };
}

function page(from: number, to: number, since_ms: number | null): Page {
  const columns = timeline(from, to).from_ms.map((at) => [at, at + 1000, 0, 80, 1]);
  const report = { run: { warmup_ms: 2000 }, validity: { reasons: [] }, errors: [] } as unknown as Page["report"];
  return {
    format: "pulse-page",
    version: 1,
    running: true,
    since_ms,
    report,
    timeline: timeline(from, to),
    courses: [{ endpoint: null, schema: 2, columns }],
    distributions: [],
    moments: [],
    cases: [],
  };
}

describe("what comes after", () => {
  test("is appended", () => {
    const all = merged(page(0, 5, null), page(5, 7, 5000));
    expect(all.timeline.from_ms).toEqual([0, 1000, 2000, 3000, 4000, 5000, 6000]);
    expect(all.courses[0]?.columns.length).toBe(7);
    expect(until(all)).toBe(7000);
  });

  test("may overlap, and takes the place of what it repeats", () => {
    const all = merged(page(0, 5, null), page(3, 7, 3000));
    expect(all.timeline.from_ms).toEqual([0, 1000, 2000, 3000, 4000, 5000, 6000]);
    expect(all.courses[0]?.columns.length).toBe(7);
  });

  test("may be nothing but a new report", () => {
    const all = merged(page(0, 5, null), page(5, 5, 5000));
    expect(all.timeline.from_ms.length).toBe(5);
    expect(all.courses[0]?.columns.length).toBe(5);
  });

  test("may be everything", () => {
    expect(merged(page(0, 5, null), page(0, 2, null)).timeline.from_ms.length).toBe(2);
    expect(merged(null, page(3, 4, 3000)).timeline.from_ms.length).toBe(1);
  });

  test("does not continue across a gap", () => {
    expect(continues(page(0, 5, null), page(6, 7, 6000))).toBe(false);
    expect(continues(page(0, 5, null), page(5, 7, 5000))).toBe(true);
    expect(continues(page(0, 5, null), page(0, 7, null))).toBe(false);
  });
});

test("moments come from what was told and from the report, in order of time", () => {
  const told = page(0, 5, null);
  told.moments = [{ at_ms: 4000, kind: "breach", message: "p95 < 1ms is missed" }];
  expect(momentsOf(told).map((moment) => moment.kind)).toEqual(["warmup", "breach"]);
});

test("data that is not the page's is refused in words", () => {
  expect(problemOf(page(0, 1, null))).toBeNull();
  for (const wrong of [null, 3, "x", [], {}, { format: "pulse-page", version: 1 }]) {
    expect(problemOf(wrong)).toMatch(/damaged|incomplete/);
  }
  expect(problemOf({ ...page(0, 1, null), version: 2 })).toContain("version 2");
});
