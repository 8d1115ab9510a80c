// Everything over time: one axis, one cursor, one zoom.

import { useMemo, useState } from "preact/hooks";
import { classesOf } from "./classes";
import { Chart, type Line, type Span, type Time } from "./chart";
import { cellsOf, error, figuresOf, rates } from "./distribution";
import { bytes, clock, count, millis, NOTHING, percent, plain } from "./format";
import { heatmap } from "./heatmap";
import { momentsOf, until, type Course, type Moment, type Page } from "./model";
import { Table } from "./table";

const thousandth = (values: number[]) => values.map((value) => value / 1000);

interface Props {
  page: Page;
  selected: string | null;
  theme: number;
  /** What it is about, where that is not the whole page. */
  of?: string | undefined;
  /** How much of its end is shown, in milliseconds; all without it. */
  last?: number | undefined;
}

export function OverTime({ page, selected, theme, of, last }: Props) {
  const [span, setSpan] = useState<Span>(null);
  const { timeline } = page;
  const moments = useMemo(() => momentsOf(page), [page]);
  if (timeline.from_ms.length === 0) {
    return page.running ? <p class="note">The first figures come with the first interval.</p> : null;
  }
  const begin = timeline.from_ms[0] ?? 0;
  const end = Math.max(until(page), begin + 1);
  const all: [number, number] = [last === undefined ? begin : Math.max(begin, end - Math.max(last, 1)), end];
  const time: Time = { span, zoom: zoomWithin(all, setSpan), all, moments, theme };
  const course = page.courses.find((one) => one.endpoint === selected);
  return (
    <section aria-labelledby="over-time">
      <div class="bar">
        <h2 id="over-time">Over time{(selected !== null || of) && <small> {selected ?? of}</small>}</h2>
        <Zoom time={time} />
      </div>
      <div class="charts">
        {selected === null ? <Whole page={page} time={time} /> : <OfEndpoint course={course} time={time} kept={page.courses.length - 1} />}
        <Heat course={course} time={time} />
        {selected === null && <Generator page={page} time={time} />}
      </div>
      <Moments moments={moments} />
      <AsTable page={page} />
    </section>
  );
}

/** Zooms within what there is; a part that is all of it is none. */
export function zoomWithin(all: [number, number], set: (span: Span) => void): (span: Span) => void {
  return (next) => {
    if (next === null) return set(null);
    const [from, to] = [Math.max(next[0], all[0]), Math.min(next[1], all[1])];
    set(to - from < 1 || (from <= all[0] && to >= all[1]) ? null : [from, to]);
  };
}

/** Zoom for the keyboard; with a mouse one drags over a chart. */
export function Zoom({ time }: { time: Time }) {
  const [from, to] = time.span ?? time.all;
  const width = to - from;
  const around = (by: number, shift: number): Span => {
    const middle = (from + to) / 2 + width * shift;
    return [middle - (width * by) / 2, middle + (width * by) / 2];
  };
  return (
    <div class="zoom" role="group" aria-label="Part of the time shown">
      <span>
        {clock(from)} to {clock(to)}
      </span>
      <button type="button" aria-label="Earlier" disabled={from <= time.all[0]} onClick={() => time.zoom([Math.max(time.all[0], from - width / 2), Math.max(time.all[0], from - width / 2) + width])}>
        ◀
      </button>
      <button type="button" aria-label="Later" disabled={to >= time.all[1]} onClick={() => time.zoom([Math.min(time.all[1], to + width / 2) - width, Math.min(time.all[1], to + width / 2)])}>
        ▶
      </button>
      <button type="button" aria-label="Zoom in" onClick={() => time.zoom(around(0.5, 0))}>
        +
      </button>
      <button type="button" aria-label="Zoom out" disabled={time.span === null} onClick={() => time.zoom(around(2, 0))}>
        −
      </button>
      <button type="button" disabled={time.span === null} onClick={() => time.zoom(null)}>
        All
      </button>
    </div>
  );
}

/** The largest value with its moment, in words. */
export function peak(xs: number[], values: (number | null)[], format: (value: number) => string): string {
  let at = -1;
  values.forEach((value, i) => {
    if (value !== null && (at < 0 || value > (values[at] ?? 0))) at = i;
  });
  return at < 0 ? "nothing was measured" : `at most ${format(values[at] ?? 0)}, at ${clock(xs[at])}`;
}

export function perSecond(values: number[], timeline: Page["timeline"]): (number | null)[] {
  return rates(values, timeline.from_ms, timeline.to_ms);
}

export function middles(timeline: Page["timeline"]): number[] {
  return timeline.from_ms.map((from, i) => (from + (timeline.to_ms[i] ?? from)) / 2);
}

export const rate = (value: number | null | undefined) => (value == null ? NOTHING : `${plain(value)} /s`);

function Whole({ page, time }: { page: Page; time: Time }) {
  const { timeline, report } = page;
  const xs = middles(timeline);
  const achieved = perSecond(timeline.requests, timeline);
  const failed = perSecond(timeline.failed, timeline);
  const p95 = thousandth(timeline.p95_us);
  const watched = report.run.kind === "monitor";
  // What a pause of the service leaves without an answer has no response time then.
  const answered = (values: number[]) => values.map((value, i) => (timeline.requests[i] === 0 ? null : value));
  const rates: Line[] = [{ label: "requests answered", color: "blue", fill: true, values: achieved }];
  if (!watched) rates.unshift({ label: "iterations asked for", color: "muted", dash: [6, 4], values: perSecond(timeline.due, timeline) });
  const times: Line[] = [
    { label: "p50", color: "teal", values: answered(thousandth(timeline.p50_us)) },
    { label: "p95", color: "blue", values: answered(p95) },
    { label: "p99", color: "violet", values: answered(thousandth(timeline.p99_us)) },
    { label: "max", color: "muted", dash: [2, 3], values: answered(thousandth(timeline.max_us)) },
  ];
  if (!watched) times.push({ label: "service p95", color: "orange", dash: [6, 4], values: answered(thousandth(timeline.service_p95_us)) });
  const users: Line[] = [{ label: "users", color: "blue", fill: true, values: timeline.users }];
  return (
    <>
      <Chart title="Requests" xs={xs} lines={rates} time={time} format={rate} words={peak(xs, achieved, rate)} />
      <Chart title="Response time" log xs={xs} lines={times} time={time} format={millis} words={`p95 ${peak(xs, answered(p95), millis)}`} />
      <Chart
        title="Failures"
        xs={xs}
        lines={failuresOf(timeline)}
        time={time}
        format={rate}
        words={report.requests.failed === 0 ? "none" : peak(xs, failed, rate)}
      />
      {!watched && <Chart title="Users" xs={xs} lines={users} time={time} format={count} words={peak(xs, timeline.users, count)} />}
      <Traffic timeline={timeline} time={time} />
      <Processes timeline={timeline} time={time} />
    </>
  );
}

const COLORS = ["fail", "orange", "violet", "blue", "teal"];

/** Failures by class; all in one line where classes are not known. */
function failuresOf(timeline: Page["timeline"]): Line[] {
  const classes = classesOf(timeline.failures, COLORS.length);
  if (classes.length === 0) return [{ label: "failed", color: "fail", fill: true, values: perSecond(timeline.failed, timeline) }];
  return classes.map(({ label, values }, i) => ({ label, color: COLORS[i] ?? "muted", values: perSecond(values, timeline) }));
}

const bytesRate = (value: number | null | undefined) => (value == null ? NOTHING : `${bytes(value)}/s`);

function Traffic({ timeline, time }: { timeline: Page["timeline"]; time: Time }) {
  const { bytes_sent: sent, bytes_received: received, connections } = timeline;
  const xs = middles(timeline);
  const [up, down, opened] = [sent, received, connections].map((values) => perSecond(values, timeline));
  return (
    <>
      {sent.length + received.length > 0 && (
        <Chart
          title="Bytes"
          xs={xs}
          lines={[
            { label: "received", color: "blue", fill: true, values: down ?? [] },
            { label: "sent", color: "orange", values: up ?? [] },
          ]}
          time={time}
          format={bytesRate}
          words={`received ${peak(xs, down ?? [], bytesRate)}`}
        />
      )}
      {connections.length > 0 && (
        <Chart
          title="Connections"
          xs={xs}
          lines={[{ label: "opened", color: "violet", fill: true, values: opened ?? [] }]}
          time={time}
          format={rate}
          words={`opened ${peak(xs, opened ?? [], rate)}`}
          note="Kept connections are opened once; many during the run mean that the service does not keep them."
        />
      )}
    </>
  );
}

/** What the service's processes used, where they were looked at. */
function Processes({ timeline, time }: { timeline: Page["timeline"]; time: Time }) {
  const xs = middles(timeline);
  const cpu = thousandth(timeline.process_cpu);
  const memory = timeline.process_kib.map((kib) => kib * 1024);
  const shown = (value: number | null | undefined) => bytes(value ?? null);
  return (
    <>
      {cpu.length > 0 && (
        <Chart title="Service's CPU" xs={xs} lines={[{ label: "of a core", color: "blue", fill: true, values: cpu }]} time={time} format={percent} words={peak(xs, cpu, percent)} />
      )}
      {memory.length > 0 && (
        <Chart title="Service's memory" xs={xs} lines={[{ label: "resident", color: "teal", fill: true, values: memory }]} time={time} format={shown} words={peak(xs, memory, shown)} />
      )}
    </>
  );
}

function Generator({ page, time }: { page: Page; time: Time }) {
  const { timeline, report } = page;
  if (report.run.kind === "monitor") return null;
  const xs = middles(timeline);
  const lag = thousandth(timeline.start_lag_p99_us);
  const cpu = thousandth(timeline.worker_cpu);
  return (
    <>
      <Chart
        title="Start lag"
        xs={xs}
        lines={[{ label: "p99", color: "orange", fill: true, values: lag }]}
        time={time}
        format={millis}
        words={peak(xs, lag, millis)}
        note="How much later than planned iterations began; it is part of the response time."
      />
      <Chart
        title="Load generator"
        xs={xs}
        lines={[{ label: "busiest worker's share of a core", color: "blue", fill: true, values: cpu }]}
        time={time}
        format={percent}
        words={peak(xs, cpu, percent)}
        note="From 90 % on the figures say more about the generator than about the service."
      />
    </>
  );
}

function OfEndpoint({ course, time, kept }: { course: Course | undefined; time: Time; kept: number }) {
  if (!course) {
    return <p class="note">How this endpoint went over time was not kept: {kept} endpoints have it. Its distribution below is complete.</p>;
  }
  const figures = figuresOf(course);
  const note = `Percentiles from coarse buckets: within ± ${percent(error(course.schema))}.`;
  const times: Line[] = [
    { label: "p50", color: "teal", values: figures.p50 },
    { label: "p95", color: "blue", values: figures.p95 },
    { label: "p99", color: "violet", values: figures.p99 },
  ];
  return (
    <>
      <Chart title="Requests" xs={figures.at} lines={[{ label: "requests answered", color: "blue", fill: true, values: figures.perSecond }]} time={time} format={rate} words={peak(figures.at, figures.perSecond, rate)} />
      <Chart title="Response time" log xs={figures.at} lines={times} time={time} format={millis} words={`p95 ${peak(figures.at, figures.p95, millis)}`} note={note} />
      <Chart title="Failures" xs={figures.at} lines={[{ label: "failed", color: "fail", fill: true, values: figures.failedPerSecond }]} time={time} format={rate} words={peak(figures.at, figures.failedPerSecond, rate)} />
    </>
  );
}

function Heat({ course, time }: { course: Course | undefined; time: Time }) {
  const cells = useMemo(() => (course ? cellsOf(course) : []), [course]);
  const drawing = useMemo(() => heatmap(cells), [cells]);
  if (!course || cells.length === 0) return null;
  const xs = course.columns.map((column) => ((column[0] ?? 0) + (column[1] ?? 0)) / 2);
  const slowest = cells.reduce((worst, cell) => (cell.high > worst.high ? cell : worst));
  return (
    <Chart
      title="Where response times lay"
      log
      xs={xs}
      lines={[{ label: "", color: "blue", values: xs.map(() => null) }]}
      drawing={drawing}
      time={time}
      format={millis}
      words={`slowest ${millis(slowest.low)} to ${millis(slowest.high)}, at ${clock(slowest.from)}`}
      note="The stronger the colour, the more requests had this response time. Two bands are two kinds of answers."
    />
  );
}

const KINDS: Record<Moment["kind"], string> = {
  breach: "Target",
  notice: "Notice",
  warmup: "Phase",
  validity: "Validity",
  error: "Failure",
};

function Moments({ moments }: { moments: Moment[] }) {
  if (moments.length === 0) return null;
  return (
    <div class="moments">
      <h3>Moments</h3>
      <ul>
        {moments.map((moment) => (
          <li key={`${moment.at_ms}${moment.kind}${moment.message}`} class={moment.kind}>
            <b>{clock(moment.at_ms, true)}</b> <span class="kind">{KINDS[moment.kind] ?? moment.kind}</span> {moment.message}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Rows of the table: more than that nobody reads, and the JSON has all of them. */
const ROWS = 120;

/** Of each `every` values in a row the place of the largest. */
export function slowestOfEach(values: number[], every: number): number[] {
  const places: number[] = [];
  values.forEach((value, i) => {
    const last = places.length - 1;
    if (i % every === 0) places.push(i);
    else if (value > (values[places[last] ?? 0] ?? 0)) places[last] = i;
  });
  return places;
}

function AsTable({ page }: { page: Page }) {
  const { timeline } = page;
  const [open, setOpen] = useState(false);
  const every = Math.ceil(timeline.from_ms.length / ROWS);
  const rows = slowestOfEach(timeline.max_us, every);
  const us = (values: number[], i: number) => (timeline.requests[i] === 0 ? null : (values[i] ?? 0) / 1000);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The same as a table{every > 1 ? `, of each ${every} intervals the one with the slowest answer` : ""}</summary>
      {open && (
        <Table
          label="Figures over time"
          rows={rows}
          columns={[
            { name: "Time", show: (i) => clock(timeline.from_ms[i], true), sort: (i) => i, text: true },
            { name: "Asked for", show: (i) => count(timeline.due[i]), sort: (i) => timeline.due[i] },
            { name: "Answered", show: (i) => count(timeline.requests[i]), sort: (i) => timeline.requests[i] },
            { name: "Failed", show: (i) => count(timeline.failed[i]), sort: (i) => timeline.failed[i] },
            { name: "Users", show: (i) => count(timeline.users[i]), sort: (i) => timeline.users[i] },
            { name: "p50", show: (i) => millis(us(timeline.p50_us, i)), sort: (i) => us(timeline.p50_us, i) },
            { name: "p95", show: (i) => millis(us(timeline.p95_us, i)), sort: (i) => us(timeline.p95_us, i) },
            { name: "p99", show: (i) => millis(us(timeline.p99_us, i)), sort: (i) => us(timeline.p99_us, i) },
            { name: "max", show: (i) => millis(us(timeline.max_us, i)), sort: (i) => us(timeline.max_us, i) },
          ]}
        />
      )}
    </details>
  );
}
