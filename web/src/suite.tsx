// Cases of a suite, what their runs worked out, and how they differ from a baseline.

import { count, millis, NOTHING, plain, withUnit, words } from "./format";
import type { Change, Page, Report } from "./model";
import { Table } from "./table";
import { Badge } from "./verdict";

/** The page's address of a case. */
export function addressOf(id: string): string {
  return `#case=${encodeURIComponent(id)}`;
}

/** The id of the case that the page's address names. */
export function caseOf(hash: string): string | null {
  if (!hash.startsWith("#case=")) return null;
  try {
    return decodeURIComponent(hash.slice(6));
  } catch {
    return null;
  }
}

export function Cases({ cases }: { cases: Page[] }) {
  if (cases.length === 0) return null;
  const limits = (report: Report) =>
    report.targets.map((target) => (
      <div key={target.target}>
        <code>{target.target}</code> <span class={target.verdict}>{withUnit(target.value, target.unit)}</span>
      </div>
    ));
  return (
    <section aria-labelledby="cases">
      <h2 id="cases">Cases</h2>
      <Table
        label="Cases"
        rows={cases}
        columns={[
          {
            name: "Verdict",
            text: true,
            show: ({ report, running }) =>
              running ? <span class="badge running">Running</span> : report.case?.skipped != null ? <span class="badge">Skipped</span> : <Badge verdict={report.verdict} />,
            sort: ({ report }) => report.verdict,
          },
          {
            name: "Case",
            text: true,
            show: ({ report }) => (
              <>
                <a href={addressOf(report.case?.id ?? "")}>{report.case?.name || report.run.name}</a>
                <small class="reason">{report.case?.skipped ?? report.case?.id}</small>
              </>
            ),
            sort: ({ report }) => report.case?.id,
          },
          { name: "Kind", text: true, show: ({ report }) => words(report.case?.kind ?? ""), sort: ({ report }) => report.case?.kind },
          { name: "Targets", text: true, show: ({ report }) => limits(report) },
          { name: "Validity", text: true, show: ({ report }) => <span class={report.validity.state}>{report.validity.state}</span>, sort: ({ report }) => report.validity.state },
          { name: "Requests", show: ({ report }) => count(report.requests.total), sort: ({ report }) => report.requests.total },
          { name: "p95", show: ({ report }) => millis(report.response_time.p95), sort: ({ report }) => report.response_time.p95 },
          { name: "Took", show: ({ report }) => millis(report.run.elapsed_ms), sort: ({ report }) => report.run.elapsed_ms },
        ]}
      />
    </section>
  );
}

const ORDER = ["regression", "unclear", "improvement", "unchanged"];

export function Changes({ changes }: { changes: Change[] }) {
  if (changes.length === 0) return null;
  const times = (value: number | null) => (value === null ? NOTHING : `× ${plain(value)}`);
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">Compared with the baseline</h2>
      <Table
        label="Changes"
        rows={[...changes].sort((a, b) => ORDER.indexOf(a.effect) - ORDER.indexOf(b.effect))}
        columns={[
          { name: "Effect", text: true, show: (c) => <span class={`effect ${c.effect}`}>{c.effect}</span>, sort: (c) => c.effect },
          { name: "Figure", text: true, show: (c) => <code>{c.subject}</code>, sort: (c) => c.subject },
          { name: "Before", show: (c) => withUnit(c.before.value, c.unit), sort: (c) => c.before.value },
          { name: "Now", show: (c) => withUnit(c.after.value, c.unit), sort: (c) => c.after.value },
          { name: "Ratio", show: (c) => times(c.ratio.value), sort: (c) => c.ratio.value },
          {
            name: "95 % interval",
            show: (c) => (c.ratio.interval === null ? NOTHING : `${times(c.ratio.interval[0])} … ${times(c.ratio.interval[1])}`),
          },
          { name: "p", show: (c) => plain(c.p_value), sort: (c) => c.p_value, title: "Probability of such a difference by chance" },
        ]}
      />
    </section>
  );
}

export function Estimates({ estimates }: { estimates: Report["estimates"] }) {
  if (estimates.length === 0) return null;
  return (
    <section aria-labelledby="estimates">
      <h2 id="estimates">Worked out</h2>
      <Table
        label="Estimates"
        rows={estimates}
        columns={[
          { name: "Figure", text: true, show: (e) => words(e.name), sort: (e) => e.name },
          { name: "Value", show: (e) => <b>{withUnit(e.value, e.unit)}</b>, sort: (e) => e.value },
          {
            name: "95 % interval",
            show: (e) => (e.interval === null ? NOTHING : `${withUnit(e.interval[0], e.unit)} … ${withUnit(e.interval[1], e.unit)}`),
          },
          { name: "Samples", show: (e) => count(e.samples), sort: (e) => e.samples },
        ]}
      />
    </section>
  );
}
