import { describe, expect, test } from "vitest";
import { continues, inOrder, merged, missingSpans, momentsOf, problemOf, until, type Page, type Timeline } from "./model";

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

describe("a file that was cut or edited", () => {
  const finished = (from: number, to: number, ending: string, planned: number | null = null) => {
    const one = page(from, to, null);
    return { ...one, running: false, report: { ...one.report, ending, run: { ...one.report.run, planned_duration_ms: planned } } as Page["report"] };
  };

  test("that is whole misses nothing", () => {
    expect(missingSpans(finished(0, 5, "finished", 9000))).toEqual([]);
    expect(missingSpans(finished(0, 5, "truncated"))).toEqual([]);
    const rounded = finished(0, 5, "finished");
    rounded.timeline.from_ms = [0, 1001, 2001, 3000, 4400];
    expect(missingSpans(rounded)).toEqual([]);
  });

  test("misses its beginning, parts within and its end", () => {
    expect(missingSpans(finished(2, 5, "truncated", 9000))).toEqual([[0, 2000], [5000, 9000]]);
    const torn = finished(0, 5, "finished");
    torn.timeline = timeline(0, 2);
    torn.timeline.from_ms = [0, 3000];
    torn.timeline.to_ms = [1000, 4000];
    expect(missingSpans(torn)).toEqual([[1000, 3000]]);
  });

  test("is put in order, and one that is in order stays as it is", () => {
    const mixed = page(0, 3, null);
    mixed.timeline = { ...timeline(0, 3), from_ms: [2000, 0, 1000], p95_us: [20, 0, 10] };
    mixed.courses = [{ endpoint: null, schema: 2, columns: [[1000, 2000, 0], [0, 1000, 0]] }];
    const { timeline: sorted, courses } = inOrder({ ...page(0, 3, null), cases: [mixed], before: mixed }).cases[0] as Page;
    expect([sorted.from_ms, sorted.p95_us]).toEqual([[0, 1000, 2000], [0, 10, 20]]);
    expect(courses[0]?.columns[0]).toEqual([0, 1000, 0]);
    const whole = page(0, 3, null);
    expect(inOrder(whole)).toEqual(whole);
  });
});

test("data that is not the page's is refused in words", () => {
  expect(problemOf(page(0, 1, null))).toBeNull();
  for (const wrong of [null, 3, "x", [], {}, { format: "pulse-page", version: 1 }]) {
    expect(problemOf(wrong)).toMatch(/damaged|incomplete/);
  }
  expect(problemOf({ ...page(0, 1, null), version: 2 })).toContain("version 2");
});
