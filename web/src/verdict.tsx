// First things first: does it meet its targets, can the numbers be trusted, and what was noticed.

import type { ComponentChildren } from "preact";
import { clock, count, millis, NOTHING, percent, plain, samplesNeeded, some, withUnit, words } from "./format";
import { missingSpans, type Finding, type Page, type Report, type Target, type Verdict } from "./model";
import { Table } from "./table";

const VERDICTS: Record<Verdict, string> = { pass: "Pass", fail: "Fail", inconclusive: "Inconclusive", no_data: "No data" };
const SIGNS: Record<Verdict, string> = { pass: "✓", fail: "✗", inconclusive: "?", no_data: "–" };

export function Badge({ verdict }: { verdict: Verdict | null }) {
  if (verdict === null) return <span class="badge">Not judged</span>;
  return (
    <span class={`badge ${verdict}`}>
      <span aria-hidden="true">{SIGNS[verdict] ?? ""}</span> {VERDICTS[verdict] ?? words(verdict)}
    </span>
  );
}

/** The verdict of a job or a suite in a sentence. */
export function verdictSentence(page: Page): string {
  const { report, cases, running } = page;
  const over = cases.filter((one) => !one.running);
  const verdicts = cases.length > 0 ? over.map((one) => one.report.verdict) : report.targets.map((one) => one.verdict);
  if (cases.length > 0 && over.length === 0) return "No case is over yet.";
  if (verdicts.length === 0) return running ? "No targets were set." : "Nothing was judged: no targets were set.";
  const of = (verdict: Verdict) => verdicts.filter((one) => one === verdict).length;
  const rest = [
    [of("fail"), "missed"],
    [of("inconclusive"), "undecided"],
    [of("no_data"), "without data"],
  ] as const;
  const what = cases.length > 0 ? "Cases passed" : "Targets met";
  const more = rest.filter(([n]) => n > 0).map(([n, how]) => `${n} ${how}`);
  const soFar = running ? " so far" : "";
  return `${what}${soFar}: ${of("pass")} of ${verdicts.length}${more.length > 0 ? `; ${more.join(", ")}` : ""}.`;
}

/** Whether the figures can be trusted, in a sentence. */
export function validitySentence({ validity }: Report): string {
  switch (validity.state) {
    case "valid":
      return "Measurement valid.";
    case "suspect":
      return "Measurement suspect: something may have distorted the figures.";
    default:
      return "Measurement invalid: the figures do not describe the service, and no verdict counts.";
  }
}

const ENDINGS: Record<string, string> = {
  interrupted: "It was interrupted; this is what was measured until then.",
  truncated: "The recording ends before the run did; this is what it holds.",
};

/** Missing spans that are told one by one. */
const SPANS = 5;

export function VerdictBox({ page }: { page: Page }) {
  const { report, running } = page;
  const ending = running ? undefined : ENDINGS[report.ending];
  const missing = missingSpans(page);
  return (
    <section class={`verdict ${report.validity.state === "invalid" ? "invalid" : (report.verdict ?? "none")}`} aria-label="Verdict">
      <p class="sentence">
        {report.validity.state === "invalid" ? <span class="badge invalid">! Invalid</span> : <Badge verdict={report.verdict} />}{" "}
        {verdictSentence(page)} <span class={report.validity.state}>{validitySentence(report)}</span>
      </p>
      {ending && <p>{ending}</p>}
      {missing.length > 0 && (
        <p>
          Nothing is told of {missing.slice(0, SPANS).map(([from, to]) => `${clock(from, true)} to ${clock(to, true)}`).join(", ")}
          {missing.length > SPANS && ` and ${some(missing.length - SPANS, "more span")}`}: what happened then is in none of the figures over time.
        </p>
      )}
      {report.validity.reasons.length > 0 && (
        <ul>
          {report.validity.reasons.map((reason) => (
            <li key={reason.code + reason.message}>
              <b>{words(reason.state)}</b> {reason.message}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function limit({ target, limit, unit, per }: Target): string {
  const comparison = /(<=|>=|<|>)/.exec(target)?.[1] ?? "";
  return `${comparison} ${withUnit(limit, unit, per)}`.trim();
}

export function Targets({ report }: { report: Report }) {
  if (report.targets.length === 0) return null;
  const between = ({ interval, unit }: Target) =>
    interval === null ? NOTHING : `${withUnit(interval[0], unit)} … ${withUnit(interval[1], unit)}`;
  return (
    <section aria-labelledby="targets">
      <h2 id="targets">Targets</h2>
      <Table
        label="Targets"
        rows={report.targets}
        columns={[
          { name: "Verdict", text: true, show: (t) => <Badge verdict={t.verdict} />, sort: (t) => t.verdict },
          {
            name: "Target",
            text: true,
            show: (t) => (
              <>
                <code>{t.target}</code>
                {t.reason !== null && <small class="reason">{t.reason}</small>}
              </>
            ),
            sort: (t) => t.target,
          },
          { name: "Limit", show: limit },
          { name: "Measured", show: (t) => <b>{withUnit(t.value, t.unit)}</b>, sort: (t) => t.value },
          { name: "95 % interval", show: between, title: "Where the true value lies with 95 % confidence" },
          { name: "Samples", show: (t) => count(t.samples), sort: (t) => t.samples },
        ]}
      />
    </section>
  );
}

const text = (part: string | string[] | null | undefined) => (Array.isArray(part) ? part.join("\n") : (part ?? ""));

export function Findings({ findings }: { findings: Finding[] }) {
  if (findings.length === 0) return null;
  return (
    <section aria-labelledby="findings">
      <h2 id="findings">What was noticed</h2>
      <ul class="findings">
        {findings.map((finding, n) => (
          <li key={n} class={finding.severity}>
            <span class="kind">{words(finding.severity)}</span>
            {finding.subject !== "" && <code>{finding.subject}</code>} {finding.message}
            {finding.help && <p class="help">{finding.help}</p>}
            {text(finding.evidence) !== "" && <pre>{text(finding.evidence)}</pre>}
            {text(finding.fix?.sql) !== "" && (
              <>
                <p class="help">To change it:</p>
                <pre>{text(finding.fix?.sql)}</pre>
              </>
            )}
            {text(finding.fix?.undo) !== "" && (
              <>
                <p class="help">To take it back:</p>
                <pre>{text(finding.fix?.undo)}</pre>
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Whether so many samples say something about a percentile. */
export function isSupported(samples: number, quantile: number): boolean {
  return samples >= samplesNeeded(quantile);
}

/** A percentile; greyed and marked where too few samples lie above it. */
export function Percentile({ value, samples, quantile }: { value: number | null; samples: number; quantile: number }) {
  if (value === null) return <>{NOTHING}</>;
  if (isSupported(samples, quantile)) return <>{millis(value)}</>;
  const title = `${count(samples)} samples; ${count(samplesNeeded(quantile))} are needed so that ten lie above it`;
  return (
    <span class="weak" title={title}>
      {millis(value)}*
    </span>
  );
}

/** What a percentile of all requests rests on: its interval, its samples, and how far its bucket may put it off. */
export function basis(page: Page, quantile: number): string {
  const { count: samples, quantile_error: error } = page.report.response_time;
  const known = page.percentiles?.find(([q]) => q === quantile);
  const parts = [
    known ? `${millis(known[1])} to ${millis(known[2])}` : "",
    some(samples, "sample"),
    error === null ? "interpolated" : `bucket ± ${percent(error)}`,
  ];
  return samples === 0 ? "" : parts.filter((part) => part !== "").join(", ");
}

/** The figures that one looks for first. */
export function Figures({ page }: { page: Page }) {
  const { requests, iterations, response_time: times, endpoints, run } = page.report;
  if (requests.total === 0 && endpoints.length === 0) return null;
  const planned = iterations.planned_per_second;
  const percentile = (name: string, value: number | null, quantile: number): [string, ComponentChildren, string] => [
    name,
    <Percentile value={value} samples={times.count} quantile={quantile} />,
    basis(page, quantile),
  ];
  const figures: [string, ComponentChildren, string][] = [
    ["Requests", count(requests.total), requests.per_second === null ? "" : `${plain(requests.per_second)} /s`],
    ["Failed", count(requests.failed), requests.total > 0 ? percent(requests.failed / requests.total) : ""],
    percentile("Median", times.median, 0.5),
    percentile("p95", times.p95, 0.95),
    percentile("p99", times.p99, 0.99),
    ["Largest", millis(times.max), `smallest ${millis(times.min)}, mean ${millis(times.mean)}`],
  ];
  if (planned !== null && run.kind !== "monitor") {
    figures.push(["Iterations", rate(iterations.achieved_per_second), `of ${rate(planned)} planned`]);
  }
  if (iterations.dropped + iterations.missed > 0) {
    figures.push(["Left out", count(iterations.dropped + iterations.missed), "no user was free in time"]);
  }
  const weak = [0.5, 0.95, 0.99].some((quantile) => times.count > 0 && !isSupported(times.count, quantile));
  return (
    <>
      <dl class="figures">
        {figures.map(([name, value, more]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <b>{value}</b>
              <small>{more}</small>
            </dd>
          </div>
        ))}
      </dl>
      {weak && <p class="note">* Fewer samples than 10 / (1 − q): such a percentile is little more than the largest values seen.</p>}
    </>
  );
}

const rate = (value: number | null) => (value === null ? NOTHING : `${plain(value)} /s`);
