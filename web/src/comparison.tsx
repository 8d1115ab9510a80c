// Two runs over each other: what each was, what has changed, and both on one axis that begins with the start of each.

import { useMemo, useState } from "preact/hooks";
import { Chart, type Line, type Span, type Time } from "./chart";
import { spectrum } from "./distribution";
import { count, millis, percent, plain, some, words } from "./format";
import { until, type ComparedRuns, type Effect, type Page } from "./model";
import { overlaid } from "./overlay";
import { middles, peak, perSecond, rate, Zoom, zoomWithin } from "./over_time";
import { Spectrum, type SpectrumLine } from "./spread";
import { Table, type Column } from "./table";
import { Badge } from "./verdict";
import { changesOf } from "./changes";

type Names = [string, string];

const DASH = [6, 4];

const SENTENCES: Record<Effect, string> = {
  regression: "Worse.",
  improvement: "Better.",
  unchanged: "Nothing has changed that matters.",
  unclear: "More samples would decide.",
};

/** What has changed, in a sentence. */
export function comparisonSentence(page: Page, { effect, min_effect }: ComparedRuns): string {
  const changes = changesOf(page);
  const of = (wanted: Effect) => changes.filter((change) => change.effect === wanted).length;
  const counts = [`${of("regression")} regressed`, `${of("improvement")} improved`, `${of("unchanged")} unchanged`, `${of("unclear")} unclear`];
  return `${SENTENCES[effect] ?? ""} ${some(changes.length, "figure")}: ${counts.join(", ")}. Smallest change that matters: ${percent(min_effect)}.`;
}

interface Named {
  name: string;
  run: Page;
}

/** Of runs that are not suites, whose cases have the requests. */
const requests: Column<Named>[] = [
  { name: "Requests", show: ({ run }) => count(run.report.requests.total) },
  { name: "Per second", show: ({ run }) => plain(run.report.requests.per_second) },
  { name: "Failed", show: ({ run }) => count(run.report.requests.failed) },
];

/** The verdict of a comparison, and the two runs. */
export function ComparisonBox({ page, compared }: { page: Page; compared: ComparedRuns }) {
  const { effect, names, notes } = compared;
  const runs = [page.before, page].flatMap((run, i): Named[] => (run ? [{ name: names[i] ?? "", run }] : []));
  return (
    <>
      <section class={`verdict ${effect}`} aria-label="Verdict">
        <p class="sentence">
          <span class={`badge effect ${effect}`}>{words(effect)}</span> {comparisonSentence(page, compared)}
        </p>
        {notes.length > 0 && (
          <ul>
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        )}
      </section>
      <section aria-labelledby="runs">
        <h2 id="runs">The runs</h2>
        <Table
          label="The runs"
          rows={runs}
          columns={[
            { name: "Run", text: true, show: ({ name }) => <b>{name}</b> },
            { name: "Began", text: true, show: ({ run }) => began(run.report.run.started) },
            { name: "Took", show: ({ run }) => millis(run.report.run.elapsed_ms) },
            ...(runs.some(({ run }) => run.report.requests.total > 0) ? requests : []),
            { name: "Targets", text: true, show: ({ run }) => <Badge verdict={run.report.verdict} /> },
            { name: "Validity", text: true, show: ({ run: { report } }) => <span class={report.validity.state}>{report.validity.state}</span> },
            { name: "Pulse", text: true, show: ({ run }) => run.report.run.pulse_version },
          ]}
        />
      </section>
    </>
  );
}

/** A moment by a machine's clock, in the zone of who looks; as it is where it is none. */
export function began(started: string): string {
  const at = new Date(started);
  return Number.isNaN(at.getTime()) ? started : at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}

export function Overlay({ page, before, names, theme }: { page: Page; before: Page; names: Names; theme: number }) {
  const [span, setSpan] = useState<Span>(null);
  const all: [number, number] = [0, Math.max(until(before), until(page), 1)];
  const time: Time = { span, zoom: zoomWithin(all, setSpan), all, moments: [], theme };
  return (
    <>
      {page.timeline.from_ms.length > 0 && before.timeline.from_ms.length > 0 && (
        <section aria-labelledby="over-time">
          <div class="bar">
            <h2 id="over-time">Over time, each from its start</h2>
            <Zoom time={time} />
          </div>
          <div class="charts">
            <Lines page={page} before={before} names={names} time={time} />
          </div>
        </section>
      )}
      <Spectra page={page} before={before} names={names} theme={theme} />
    </>
  );
}

type Values = (page: Page) => (number | null)[];

function Lines({ page, before, names, time }: { page: Page; before: Page; names: Names; time: Time }) {
  const times = (name: "p50_us" | "p95_us" | "p99_us"): Values => ({ timeline }) =>
    timeline[name].map((value, i) => (timeline.requests[i] === 0 ? null : value / 1000));
  const charts: { title: string; values: Values; format: (value: number | null | undefined) => string; log?: boolean }[] = [
    { title: "Median response time", values: times("p50_us"), format: millis, log: true },
    { title: "p95 of response time", values: times("p95_us"), format: millis, log: true },
    { title: "p99 of response time", values: times("p99_us"), format: millis, log: true },
    { title: "Requests", values: ({ timeline }) => perSecond(timeline.requests, timeline), format: rate },
  ];
  if (page.report.requests.failed + before.report.requests.failed > 0) {
    charts.push({ title: "Failures", values: ({ timeline }) => perSecond(timeline.failed, timeline), format: rate });
  }
  return (
    <>
      {charts.map((chart) => (
        <Both key={chart.title} {...chart} runs={[before, page]} names={names} time={time} />
      ))}
    </>
  );
}

interface BothProps {
  title: string;
  values: Values;
  format: (value: number | null | undefined) => string;
  log?: boolean;
  runs: [Page, Page];
  names: Names;
  time: Time;
}

function Both({ title, values, format, log, runs, names, time }: BothProps) {
  const { xs, lines } = useMemo(() => overlaid(runs.map((run) => ({ xs: middles(run.timeline), values: values(run) }))), runs);
  const drawn: Line[] = [
    { label: names[0], color: "orange", dash: DASH, values: lines[0] ?? [] },
    { label: names[1], color: "blue", values: lines[1] ?? [] },
  ];
  const said = drawn.map((line) => `${line.label} ${peak(xs, line.values, format)}`).join("; ");
  return <Chart title={title} xs={xs} lines={drawn} time={time} format={format} log={log ?? false} words={said} />;
}

function Spectra({ page, before, names, theme }: { page: Page; before: Page; names: Names; theme: number }) {
  const [endpoint, setEndpoint] = useState<string | null>(null);
  const find = (run: Page, of: string | null) => run.distributions.find((one) => one.endpoint === of && one.metric === "response_time");
  const both = page.distributions.flatMap((one) => (one.endpoint !== null && find(before, one.endpoint) ? [one.endpoint] : []));
  const lines = [before, page].flatMap((run, i): SpectrumLine[] => {
    const found = find(run, endpoint);
    const style = i === 0 ? { color: "orange", dash: DASH } : { color: "blue" };
    return found ? [{ label: names[i] ?? "", points: spectrum(found), count: found.count, ...style }] : [];
  });
  if (lines.length === 0) return null;
  return (
    <section aria-labelledby="spread">
      <div class="bar">
        <h2 id="spread">Percentiles{endpoint !== null && <small> {endpoint}</small>}</h2>
        {both.length > 0 && (
          <label class="filter">
            Of{" "}
            <select aria-label="Percentiles of" value={endpoint ?? ""} onChange={(event) => setEndpoint(event.currentTarget.value || null)}>
              <option value="">all requests</option>
              {both.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <Spectrum lines={lines} theme={theme} />
    </section>
  );
}
