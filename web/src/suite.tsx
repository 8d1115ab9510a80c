// Cases of a suite, and what their runs worked out.

import { count, millis, NOTHING, withUnit, words } from "./format";
import type { Page, Report } from "./model";
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
