// Endpoints, and with them everything else that is counted by name.

import { useMemo, useState } from "preact/hooks";
import { clock, count, millis, NOTHING, percent, plain } from "./format";
import type { Endpoint, Report } from "./model";
import { Table, type Order } from "./table";
import { isSupported, Percentile } from "./verdict";

/** Rows that are drawn before somebody asks for more. */
const ROWS = 100;
/** What is worth making faster comes first. */
const SHARE_OF_TIME: Order = { column: 9, down: true };

interface Props {
  report: Report;
  selected: string | null;
  select: (name: string | null) => void;
}

export function Endpoints({ report, selected, select }: Props) {
  const [filter, setFilter] = useState("");
  const { endpoints } = report;
  const wanted = filter.trim().toLowerCase();
  const rows = useMemo(() => endpoints.filter((endpoint) => endpoint.name.toLowerCase().includes(wanted)), [endpoints, wanted]);
  if (endpoints.length === 0) return null;
  const weak = endpoints.some((endpoint) => !isSupported(endpoint.requests, 0.99));
  const percentile = (name: string, key: "median" | "p95" | "p99", quantile: number) => ({
    name,
    show: (e: Endpoint) => <Percentile value={e.response_time[key]} samples={e.requests} quantile={quantile} />,
    sort: (e: Endpoint) => e.response_time[key],
  });
  return (
    <section aria-labelledby="endpoints">
      <div class="bar">
        <h2 id="endpoints">Endpoints</h2>
        <label class="filter">
          Filter <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
        {selected !== null && (
          <button type="button" onClick={() => select(null)}>
            Show all in the charts
          </button>
        )}
      </div>
      <Table
        label="Endpoints"
        rows={rows}
        most={ROWS}
        // One wants to know first what takes the time.
        first={SHARE_OF_TIME}
        isSelected={(endpoint) => endpoint.name === selected}
        columns={[
          {
            name: "Endpoint",
            text: true,
            show: (e) => (
              <button
                type="button"
                class="name"
                aria-pressed={e.name === selected}
                title="Show it in the charts"
                onClick={() => select(e.name === selected ? null : e.name)}
              >
                {e.name}
              </button>
            ),
            sort: (e) => e.name,
          },
          { name: "Requests", show: (e) => count(e.requests), sort: (e) => e.requests },
          { name: "Per second", show: (e) => plain(e.per_second), sort: (e) => e.per_second },
          {
            name: "Failed",
            show: (e) => (e.failed > 0 ? <span class="fail">{`${count(e.failed)} (${percent(e.failed / e.requests)})`}</span> : "0"),
            sort: (e) => e.failed,
          },
          { name: "Mean", show: (e) => millis(e.response_time.mean), sort: (e) => e.response_time.mean },
          percentile("p50", "median", 0.5),
          percentile("p95", "p95", 0.95),
          percentile("p99", "p99", 0.99),
          { name: "Max", show: (e) => millis(e.response_time.max), sort: (e) => e.response_time.max },
          {
            name: "Share of time",
            title: "Of the time that all requests took together: what is worth making faster",
            show: (e) => (
              <span class="share">
                <meter min={0} max={1} value={e.time_share} aria-label="Share of time" /> {percent(e.time_share)}
              </span>
            ),
            sort: (e) => e.time_share,
          },
        ]}
      />
      {rows.length === 0 && <p class="note">No endpoint has that in its name.</p>}
      {weak && <p class="note">* Fewer samples than 10 / (1 − q): such a percentile is little more than the largest values seen.</p>}
    </section>
  );
}

export function Errors({ report }: { report: Report }) {
  if (report.errors.length === 0) return null;
  return (
    <section aria-labelledby="errors">
      <h2 id="errors">Failures</h2>
      <Table
        label="Failures"
        rows={report.errors}
        columns={[
          { name: "Class", text: true, show: (e) => <code>{e.class}</code>, sort: (e) => e.class },
          { name: "Count", show: (e) => count(e.count), sort: (e) => e.count },
          { name: "Share", show: (e) => percent(e.share), sort: (e) => e.share },
          { name: "First", show: (e) => clock(e.first_ms, true), sort: (e) => e.first_ms },
          { name: "Last", show: (e) => clock(e.last_ms, true), sort: (e) => e.last_ms },
          { name: "Where it was first seen", text: true, show: (e) => e.endpoint ?? NOTHING, sort: (e) => e.endpoint },
          { name: "What was said", text: true, show: (e) => e.message ?? NOTHING },
        ]}
      />
    </section>
  );
}

export function Counts({ report }: { report: Report }) {
  const { checks, statuses, scenarios } = report;
  return (
    <div class="columns">
      {checks.length > 0 && (
        <section aria-labelledby="checks">
          <h2 id="checks">Checks</h2>
          <Table
            label="Checks"
            rows={checks}
            columns={[
              { name: "Check", text: true, show: (c) => c.name, sort: (c) => c.name },
              { name: "Passed", show: (c) => `${count(c.passed)} of ${count(c.total)}`, sort: (c) => c.passed },
              {
                name: "Share",
                show: (c) => <span class={c.passed < c.total ? "fail" : ""}>{c.total > 0 ? percent(c.passed / c.total) : NOTHING}</span>,
                sort: (c) => c.passed / c.total,
              },
            ]}
          />
        </section>
      )}
      {statuses.length > 0 && (
        <section aria-labelledby="statuses">
          <h2 id="statuses">Statuses</h2>
          <Table
            label="Statuses"
            rows={statuses}
            columns={[
              { name: "Status", text: true, show: (s) => s.status, sort: (s) => s.status },
              { name: "Answers", show: (s) => count(s.count), sort: (s) => s.count },
            ]}
          />
        </section>
      )}
      {scenarios.length > 0 && (
        <section aria-labelledby="scenarios">
          <h2 id="scenarios">Load</h2>
          <Table
            label="Scenarios"
            rows={scenarios}
            columns={[
              { name: "Scenario", text: true, show: (s) => s.name, sort: (s) => s.name },
              { name: "As planned", text: true, show: (s) => s.load },
              { name: "Requests", show: (s) => count(s.requests), sort: (s) => s.requests },
              { name: "Failed", show: (s) => count(s.failed), sort: (s) => s.failed },
            ]}
          />
        </section>
      )}
    </div>
  );
}
