// What the page is given: the report as `schemas/report.schema.json` describes it, and beside it what charts need.
// Everything comes from a file or a server and is shown as text only.

export type Verdict = "pass" | "inconclusive" | "no_data" | "fail";
export type Interval = [number, number] | null;

export interface Times {
  count: number;
  min: number | null;
  mean: number | null;
  median: number | null;
  p90: number | null;
  p95: number | null;
  p99: number | null;
  p99_9: number | null;
  max: number | null;
  stddev: number | null;
  quantile_error: number | null;
}

export interface Target {
  target: string;
  verdict: Verdict;
  limit: number;
  value: number | null;
  interval: Interval;
  unit: string;
  per: number;
  samples: number;
  reason: string | null;
}

export interface Finding {
  code: string;
  severity: "note" | "warning" | "problem";
  subject: string;
  message: string;
  help?: string | null;
  evidence?: string[] | string | null;
  fix?: { sql?: string | string[] | null; undo?: string | string[] | null } | null;
}

export interface Endpoint {
  name: string;
  requests: number;
  failed: number;
  per_second: number | null;
  time_share: number;
  response_time: Times;
  service_time: Times;
}

export interface Figure {
  value: number | null;
  interval: Interval;
  samples: number;
}

export type Effect = "regression" | "improvement" | "unchanged" | "unclear";

export interface Change {
  subject: string;
  unit: string;
  before: Figure;
  after: Figure;
  ratio: Figure;
  p_value: number | null;
  effect: Effect;
  /** Too little to matter, whatever the ratio. */
  negligible?: boolean;
}

export interface Timed {
  name: string;
  count: number;
  per_second: number | null;
  mean_ms: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  max_ms: number | null;
}

export interface Service {
  covered_ms: number;
  slow_queries: number;
  slow_statements: { query: string; count: number; total_ms: number; max_ms: number }[];
  database: Timed[];
  timers: Timed[];
  caches: { name: string; hits: number; lookups: number }[];
  pools: { name: string; size: number; in_use: number; waiting: number }[];
  processes: {
    worker: string;
    cpu: number | null;
    resident_bytes: number | null;
    proportional_bytes: number | null;
    threads: number | null;
    descriptors: number | null;
    context_switches_per_second: number | null;
    read_bytes_per_second: number | null;
    written_bytes_per_second: number | null;
  }[];
  memory_limit_bytes: number | null;
  counters: { name: string; count: number }[];
  dropped: { name: string; count: number }[];
}

export interface Case {
  id: string;
  name: string;
  group: string;
  kind: string;
  file: string;
  line: number;
  attempts: number;
  skipped: string | null;
}

export interface Report {
  verdict: Verdict | null;
  validity: {
    state: "valid" | "suspect" | "invalid";
    reasons: { code: string; state: string; message: string; at_ms: number | null }[];
  };
  ending: "finished" | "interrupted" | "truncated";
  run: {
    kind: string;
    name: string;
    service: string;
    started: string;
    planned_duration_ms: number | null;
    elapsed_ms: number;
    judged_ms: number;
    warmup_ms: number;
    warmup_requests: number;
    users: number;
    workers: number;
    seed: number;
    pulse_version: string;
    host: { os: string; arch: string; cores: number };
  };
  requests: {
    total: number;
    successful: number;
    failed: number;
    success_share: number | null;
    per_second: number | null;
    per_user: number | null;
  };
  response_time: Times;
  service_time: Times;
  start_lag: Times;
  dispatch_lag: Times;
  iterations: {
    due: number;
    started: number;
    dropped: number;
    missed: number;
    cut: number;
    planned_per_second: number | null;
    achieved_per_second: number | null;
  };
  connections: {
    opened: number;
    reconnects: number;
    protocols: { protocol: string; opened: number }[];
    tls_handshakes: { full: number; resumed: number };
    connect_time: Times;
  };
  bytes: {
    sent: number;
    received: number;
    sent_per_second: number | null;
    received_per_second: number | null;
  };
  targets: Target[];
  findings: Finding[];
  endpoints: Endpoint[];
  scenarios: { name: string; load: string; users: number; requests: number; failed: number }[];
  statuses: { status: string; count: number }[];
  errors: {
    class: string;
    count: number;
    share: number | null;
    first_ms: number | null;
    last_ms: number | null;
    endpoint: string | null;
    message: string | null;
  }[];
  checks: { name: string; passed: number; total: number }[];
  service: Service | null;
  case: Case | null;
  estimates: ({ name: string; unit: string } & Figure)[];
  changes: Change[];
  database?: Database | null;
}

/** What a database job adds. */
export interface Database {
  engine: string;
  statements: DatabaseStatement[];
  indexes: DatabaseIndex[];
  tables: { name: string; rows: number | null; indexes: number; size_bytes: number | null; index_bytes: number | null; fill: number | null }[];
}

export interface DatabaseStatement {
  statement: string;
  calls: number;
  before: { mean_ms: number; p95_ms: number } | null;
  after: { mean_ms: number; p95_ms: number } | null;
  gain: { value: number; lo: number; hi: number } | null;
}

export interface DatabaseIndex {
  name: string;
  table: string;
  recommended: boolean;
  reason: string;
  sql: string[];
  size_bytes: number | null;
}

export interface Timeline {
  from_ms: number[];
  to_ms: number[];
  warmup: number[];
  due: number[];
  requests: number[];
  failed: number[];
  users: number[];
  dropped: number[];
  p50_us: number[];
  p95_us: number[];
  p99_us: number[];
  max_us: number[];
  service_p95_us: number[];
  start_lag_p99_us: number[];
  worker_cpu: number[];
  // Empty where there is nothing but zeros.
  bytes_sent: number[];
  bytes_received: number[];
  connections: number[];
  process_cpu: number[];
  process_kib: number[];
  /** Failed requests by class. */
  failures: Record<string, number[]>;
}

export interface Course {
  endpoint: string | null;
  schema: number;
  /** Each `[from_ms, to_ms, failed, first bucket, count, count, …]`. */
  columns: number[][];
}

export interface Distribution {
  endpoint: string | null;
  metric: string;
  schema: number;
  count: number;
  zeros: number;
  min_ms: number | null;
  max_ms: number | null;
  /** Runs of `[first bucket, count, count, …]`. */
  buckets: number[][];
}

export interface Moment {
  at_ms: number;
  kind: "breach" | "notice" | "warmup" | "validity" | "error";
  message: string;
}

export interface Page {
  format: string;
  version: number;
  running: boolean;
  since_ms: number | null;
  report: Report;
  timeline: Timeline;
  courses: Course[];
  distributions: Distribution[];
  /** Percentiles of all requests with their 95 % intervals: each `[q, lower end, upper end]` in milliseconds. */
  percentiles?: [number, number, number][];
  moments: Moment[];
  cases: Page[];
  /** What is compared, where this is the second of two runs. */
  comparison?: ComparedRuns;
  /** The first run, or what it has instead of this case. */
  before?: Page;
}

export interface ComparedRuns {
  /** What the first run and the second are called. */
  names: [string, string];
  effect: Effect;
  /** Smallest change that matters, a share. */
  min_effect: number;
  /** What makes the runs unlike, and what could not be compared. */
  notes: string[];
}

export const VERSION = 1;

/** Why the data cannot be shown, or null. */
export function problemOf(data: unknown): string | null {
  if (typeof data !== "object" || data === null || (data as Page).format !== "pulse-page") {
    return "The data of this page is damaged: it is not what Pulse writes.";
  }
  const { version } = data as Page;
  if (version !== VERSION) {
    return `The data of this page has version ${String(version)}, and this page shows version ${VERSION}: make the report again.`;
  }
  return typeof (data as Page).report === "object" && typeof (data as Page).timeline === "object"
    ? null
    : "The data of this page is incomplete: the report is missing.";
}

/** Whether it is about a suite, which is told case by case. */
export function isSuite({ report }: Page): boolean {
  return report.run.kind === "test" && report.case === null;
}

/** The case of a suite that is under way. */
export function underWay(page: Page): Page | undefined {
  return page.cases.find((one) => one.running);
}

/** What is no longer than this between two intervals is rounding. */
const BREAK_MS = 500;

/** Spans of time of which the data tell nothing, though what is before and after them is there; and the end, where it is missing. */
export function missingSpans(page: Page): [number, number][] {
  const { from_ms, to_ms } = page.timeline;
  const spans: [number, number][] = [];
  let told = 0;
  from_ms.forEach((from, i) => {
    if (from - told > BREAK_MS) spans.push([told, from]);
    told = Math.max(told, to_ms[i] ?? 0);
  });
  const { planned_duration_ms: planned } = page.report.run;
  if (page.report.ending === "truncated" && planned !== null && planned - told > BREAK_MS) spans.push([told, planned]);
  return spans;
}

/** The page with all that is told over time in order of time, as charts need it: who edits a file may have mixed it up. */
export function inOrder(page: Page): Page {
  const { timeline, courses, cases, before } = page;
  const at = timeline.from_ms.map((_, i) => i);
  const isSorted = (values: number[]) => values.every((value, i) => i === 0 || value >= (values[i - 1] ?? 0));
  const sorted = { ...timeline };
  if (!isSorted(timeline.from_ms)) {
    at.sort((a, b) => (timeline.from_ms[a] ?? 0) - (timeline.from_ms[b] ?? 0));
    // What was not recorded is empty and stays so.
    const moved = (values: number[]) => (values.length === 0 ? values : at.map((i) => values[i] ?? 0));
    const { failures, ...figures } = timeline;
    for (const name of Object.keys(figures) as (keyof typeof figures)[]) sorted[name] = moved(figures[name]);
    sorted.failures = Object.fromEntries(Object.entries(failures).map(([kind, values]) => [kind, moved(values)]));
  }
  const begin = ([from = 0]: number[]) => from;
  const inTime = (course: Course) => (isSorted(course.columns.map(begin)) ? course : { ...course, columns: [...course.columns].sort((a, b) => begin(a) - begin(b)) });
  return { ...page, timeline: sorted, courses: courses.map(inTime), cases: cases.map(inOrder), ...(before ? { before: inOrder(before) } : {}) };
}

/** Up to when the page is told, in milliseconds; of a suite, how many cases are over. */
export function until(page: Page): number {
  if (isSuite(page)) return page.cases.filter((one) => !one.running).length;
  return page.timeline.to_ms.at(-1) ?? 0;
}

/** Whether `next` is of the same run, and goes on where `page` ends, or before. */
export function continues(page: Page, next: Page): boolean {
  if (next.since_ms === null || next.report.run.started !== page.report.run.started) return false;
  return next.since_ms <= until(page) + (isSuite(page) ? 0 : 1);
}

/** The page with what came after it. Whole pages replace it. */
export function merged(page: Page | null, next: Page): Page {
  if (page === null || next.since_ms === null) return next;
  if (isSuite(next)) return { ...next, cases: page.cases.slice(0, next.since_ms).concat(next.cases) };
  const first = next.timeline.from_ms[0];
  const timeline = { ...next.timeline };
  // What the sender has made coarser since then comes again: its first point tells where it begins.
  const keep = first === undefined ? page.timeline.from_ms.length : countBelow(page.timeline.from_ms, first);
  const more = next.timeline.from_ms.length;
  const joined = (before: number[] = [], after: number[] = []) =>
    before.length + after.length === 0 ? [] : filled(before.slice(0, keep), keep).concat(filled(after, more));
  const { failures: before } = page.timeline;
  const { failures: after, ...columns } = next.timeline;
  for (const name of Object.keys(columns) as Exclude<keyof Timeline, "failures">[]) {
    timeline[name] = joined(page.timeline[name], next.timeline[name]);
  }
  const classes = new Set([...Object.keys(before), ...Object.keys(after)].sort());
  timeline.failures = Object.fromEntries([...classes].map((name) => [name, joined(before[name], after[name])]));
  const courses = next.courses.map((course) => {
    const before = page.courses.find((one) => one.endpoint === course.endpoint);
    const from = course.columns[0]?.[0] ?? Infinity;
    const kept = before?.columns.filter((column) => (column[0] ?? 0) < from) ?? [];
    return { ...course, columns: kept.concat(course.columns) };
  });
  return { ...next, timeline, courses };
}

/** A column without its zeros, with them. */
function filled(column: number[], length: number): number[] {
  return column.length === length ? column : Array.from({ length }, (_, i) => column[i] ?? 0);
}

function countBelow(sorted: number[], limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** All moments of a run in order of time: what was told, and what follows from the report. */
export function momentsOf(page: Page): Moment[] {
  const { report } = page;
  const moments: Moment[] = [...page.moments];
  if (report.run.warmup_ms > 0) {
    moments.push({ at_ms: report.run.warmup_ms, kind: "warmup", message: "end of the warm-up" });
  }
  for (const reason of report.validity.reasons) {
    if (reason.at_ms !== null) moments.push({ at_ms: reason.at_ms, kind: "validity", message: reason.message });
  }
  for (const error of report.errors) {
    if (error.first_ms !== null) {
      moments.push({ at_ms: error.first_ms, kind: "error", message: `first ${error.class}` });
    }
  }
  return moments.sort((a, b) => a.at_ms - b.at_ms);
}

/** The report as `--out json` writes it: with its timeline as a list of points, and its cases. */
export function asReport(page: Page): unknown {
  const { timeline } = page;
  const points = timeline.from_ms.map((from_ms, i) => ({
    from_ms,
    to_ms: timeline.to_ms[i],
    warmup: timeline.warmup[i] === 1,
    due: timeline.due[i],
    requests: timeline.requests[i],
    failed: timeline.failed[i],
    users: timeline.users[i],
    dropped: timeline.dropped[i],
    p50_ms: (timeline.p50_us[i] ?? 0) / 1000,
    p95_ms: (timeline.p95_us[i] ?? 0) / 1000,
    p99_ms: (timeline.p99_us[i] ?? 0) / 1000,
    max_ms: (timeline.max_us[i] ?? 0) / 1000,
    service_p95_ms: (timeline.service_p95_us[i] ?? 0) / 1000,
    start_lag_p99_ms: (timeline.start_lag_p99_us[i] ?? 0) / 1000,
    worker_cpu: (timeline.worker_cpu[i] ?? 0) / 1000,
  }));
  return { ...page.report, timeline: points, cases: page.cases.map(asReport) };
}
