import { describe, expect, test } from "vitest";
import { continues, inOrder, isSuite, merged, missingSpans, momentsOf, problemOf, underWay, until, type Page, type Timeline } from "./model";

function timeline(from: number, to: number): Timeline {
  const seconds = Array.from({ length: to - from }, (_, i) => from + i);
  const all = seconds.map((second) => second * 1000);
  const ends = all.map((at) => at + 1000);
  const same = { warmup: all, due: all, requests: all, failed: all, users: all, dropped: all };
  const none = { bytes_sent: [], bytes_received: [], connections: [], process_cpu: [], process_kib: [], failures: {} };
  const times = { p50_us: all, p95_us: all, p99_us: all, max_us: all };
  return { from_ms: all, to_ms: ends, ...same, ...times, service_p95_us: all, start_lag_p99_us: all, worker_cpu: all, ...none };
}

function page(from: number, to: number, since_ms: number | null): Page {
  const columns = timeline(from, to).from_ms.map((at) => [at, at + 1000, 0, 80, 1]);
  const report = { run: { kind: "load", started: "then", warmup_ms: 2000 }, case: null, validity: { reasons: [] }, errors: [] } as unknown as Page["report"];
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

/** A suite whose cases are named by letters; one in capitals is under way. */
function suite(letters: string, since_ms: number | null): Page {
  const whole = page(0, 0, since_ms);
  const cases = [...letters].map((id) => {
    const one = page(0, 3, null);
    const running = id !== id.toLowerCase();
    return { ...one, running, report: { ...one.report, run: { ...one.report.run, kind: "test" }, case: { id: id.toLowerCase() } } } as unknown as Page;
  });
  return { ...whole, report: { ...whole.report, run: { ...whole.report.run, kind: "test" } }, cases };
}

const letters = ({ cases }: Page) => cases.map((one) => (one.running ? one.report.case?.id.toUpperCase() : one.report.case?.id)).join("");

describe("a suite", () => {
  test("is told case by case, the one under way each time anew", () => {
    const first = suite("abC", null);
    expect([isSuite(first), until(first), underWay(first)?.report.case?.id]).toEqual([true, 2, "c"]);
    expect(letters(merged(first, suite("C", 2)))).toBe("abC");
    expect(letters(merged(first, suite("cD", 2)))).toBe("abcD");
    expect(letters(merged(first, suite("", 2)))).toBe("ab");
    expect(letters(merged(first, suite("abcd", null)))).toBe("abcd");
  });

  test("that went on meanwhile is asked for again", () => {
    expect(continues(suite("abC", null), suite("C", 2))).toBe(true);
    expect(continues(suite("abC", null), suite("D", 3))).toBe(false);
  });
});

describe("what comes after", () => {
  test("is of the same run", () => {
    const other = page(5, 7, 5000);
    other.report = { ...other.report, run: { ...other.report.run, started: "later" } };
    expect(continues(page(0, 5, null), page(5, 7, 5000))).toBe(true);
    expect(continues(page(0, 5, null), other)).toBe(false);
  });

  test("is appended", () => {
    const all = merged(page(0, 5, null), page(5, 7, 5000));
    expect(all.timeline.from_ms).toEqual([0, 1000, 2000, 3000, 4000, 5000, 6000]);
    expect(all.courses[0]?.columns.length).toBe(7);
    expect(until(all)).toBe(7000);
  });

  test("has the zeros that were left out", () => {
    const [first, second, third] = [page(0, 2, null), page(2, 4, 2000), page(3, 5, 3000)];
    second.timeline = { ...second.timeline, connections: [5, 0], failures: { timeout: [0, 7] } };
    third.timeline = { ...third.timeline, failures: { reset: [1, 2] } };
    const all = merged(merged(first, second), third);
    expect(all.timeline.connections).toEqual([0, 0, 5, 0, 0]);
    expect(all.timeline.bytes_sent).toEqual([]);
    expect(all.timeline.failures).toEqual({ reset: [0, 0, 0, 1, 2], timeout: [0, 0, 0, 0, 0] });
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
    mixed.timeline = { ...timeline(0, 3), from_ms: [2000, 0, 1000], p95_us: [20, 0, 10], failures: { timeout: [2, 0, 1] } };
    mixed.courses = [{ endpoint: null, schema: 2, columns: [[1000, 2000, 0], [0, 1000, 0]] }];
    const { timeline: sorted, courses } = inOrder({ ...page(0, 3, null), cases: [mixed], before: mixed }).cases[0] as Page;
    expect([sorted.from_ms, sorted.p95_us]).toEqual([[0, 1000, 2000], [0, 10, 20]]);
    expect([sorted.failures, sorted.process_cpu]).toEqual([{ timeout: [0, 1, 2] }, []]);
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
