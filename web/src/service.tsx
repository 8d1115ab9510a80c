// What a watched service says about itself, and what a database job found.

import { bytes, count, millis, NOTHING, percent, plain, some } from "./format";
import type { Database, DatabaseStatement, Service, Timed } from "./model";
import { Table, type Column } from "./table";

const timed: Column<Timed>[] = [
  { name: "Name", text: true, show: (t) => <code>{t.name}</code>, sort: (t) => t.name },
  { name: "Count", show: (t) => count(t.count), sort: (t) => t.count },
  { name: "Per second", show: (t) => plain(t.per_second), sort: (t) => t.per_second },
  { name: "Mean", show: (t) => millis(t.mean_ms), sort: (t) => t.mean_ms },
  { name: "p50", show: (t) => millis(t.p50_ms), sort: (t) => t.p50_ms },
  { name: "p95", show: (t) => millis(t.p95_ms), sort: (t) => t.p95_ms },
  { name: "p99", show: (t) => millis(t.p99_ms), sort: (t) => t.p99_ms },
  { name: "Max", show: (t) => millis(t.max_ms), sort: (t) => t.max_ms },
];

export function ServiceTables({ service }: { service: Service }) {
  const { caches, pools, processes } = service;
  return (
    <section aria-labelledby="service">
      <h2 id="service">Inside the service</h2>
      {service.dropped.length > 0 && (
        <p class="warning">
          The service's monitor could not record everything: {service.dropped.map((one) => `${count(one.count)} (${one.name})`).join(", ")}.
        </p>
      )}
      {processes.length > 0 && (
        <>
          <h3>Processes</h3>
          <Table
            label="Processes"
            rows={processes}
            columns={[
              { name: "Worker", text: true, show: (p) => p.worker || NOTHING, sort: (p) => p.worker },
              { name: "CPU, of a core", show: (p) => percent(p.cpu), sort: (p) => p.cpu },
              { name: "Memory", show: (p) => bytes(p.resident_bytes), sort: (p) => p.resident_bytes, title: "Resident" },
              { name: "By share", show: (p) => bytes(p.proportional_bytes), sort: (p) => p.proportional_bytes, title: "Shared pages count by share" },
              { name: "Threads", show: (p) => count(p.threads), sort: (p) => p.threads },
              { name: "Descriptors", show: (p) => count(p.descriptors), sort: (p) => p.descriptors },
              { name: "Switches /s", show: (p) => plain(p.context_switches_per_second), sort: (p) => p.context_switches_per_second },
              { name: "Read /s", show: (p) => bytes(p.read_bytes_per_second), sort: (p) => p.read_bytes_per_second },
              { name: "Written /s", show: (p) => bytes(p.written_bytes_per_second), sort: (p) => p.written_bytes_per_second },
            ]}
          />
        </>
      )}
      {service.database.length > 0 && (
        <>
          <h3>Database statements</h3>
          <Table label="Database statements" rows={service.database} columns={timed} />
        </>
      )}
      {service.slow_statements.length > 0 && (
        <>
          <h3>Slow statements ({some(service.slow_queries, "time")} in all)</h3>
          <Table
            label="Slow statements"
            rows={service.slow_statements}
            columns={[
              { name: "Statement", text: true, show: (s) => <code>{s.query}</code>, sort: (s) => s.query },
              { name: "Slow", show: (s) => count(s.count), sort: (s) => s.count },
              { name: "Total", show: (s) => millis(s.total_ms), sort: (s) => s.total_ms },
              { name: "Longest", show: (s) => millis(s.max_ms), sort: (s) => s.max_ms },
            ]}
          />
        </>
      )}
      <div class="columns">
        {pools.length > 0 && (
          <div>
            <h3>Pools</h3>
            <Table
              label="Pools"
              rows={pools}
              columns={[
                { name: "Pool", text: true, show: (p) => p.name, sort: (p) => p.name },
                { name: "In use", show: (p) => `${count(p.in_use)} of ${count(p.size)}`, sort: (p) => p.in_use / p.size },
                { name: "Waiting", show: (p) => <span class={p.waiting > 0 ? "fail" : ""}>{count(p.waiting)}</span>, sort: (p) => p.waiting },
              ]}
            />
          </div>
        )}
        {caches.length > 0 && (
          <div>
            <h3>Caches</h3>
            <Table
              label="Caches"
              rows={caches}
              columns={[
                { name: "Cache", text: true, show: (c) => c.name, sort: (c) => c.name },
                { name: "Lookups", show: (c) => count(c.lookups), sort: (c) => c.lookups },
                { name: "Hits", show: (c) => (c.lookups > 0 ? percent(c.hits / c.lookups) : NOTHING), sort: (c) => c.hits / c.lookups },
              ]}
            />
          </div>
        )}
        {service.counters.length > 0 && (
          <div>
            <h3>Counters</h3>
            <Table
              label="Counters"
              rows={service.counters}
              columns={[
                { name: "Name", text: true, show: (c) => <code>{c.name}</code>, sort: (c) => c.name },
                { name: "Count", show: (c) => count(c.count), sort: (c) => c.count },
              ]}
            />
          </div>
        )}
      </div>
      {service.timers.length > 0 && (
        <>
          <h3>Timers</h3>
          <Table label="Timers" rows={service.timers} columns={timed} />
        </>
      )}
    </section>
  );
}

/** `12.9×, 12.7 to 13.1`. */
function gain({ gain: ratio }: DatabaseStatement): string {
  return ratio ? `${ratio.value.toPrecision(3)}×, ${ratio.lo.toPrecision(3)} to ${ratio.hi.toPrecision(3)}` : NOTHING;
}

export function DatabaseTables({ database }: { database: Database }) {
  const { statements, indexes, tables } = database;
  return (
    <section aria-labelledby="database">
      <h2 id="database">Database</h2>
      <p>{database.engine}</p>
      {statements.length > 0 && (
        <>
          <h3>Statements</h3>
          <Table
            label="Statements before and after"
            rows={statements}
            columns={[
              { name: "Statement", text: true, show: (s) => <code>{s.statement}</code>, sort: (s) => s.statement },
              { name: "Calls", show: (s) => count(s.calls), sort: (s) => s.calls },
              { name: "Mean", show: (s) => millis(s.before?.mean_ms ?? null), sort: (s) => s.before?.mean_ms ?? null },
              { name: "p95", show: (s) => millis(s.before?.p95_ms ?? null), sort: (s) => s.before?.p95_ms ?? null },
              { name: "Mean after", show: (s) => millis(s.after?.mean_ms ?? null), sort: (s) => s.after?.mean_ms ?? null },
              { name: "p95 after", show: (s) => millis(s.after?.p95_ms ?? null), sort: (s) => s.after?.p95_ms ?? null },
              { name: "Times as fast", show: gain, sort: (s) => s.gain?.value ?? null },
            ]}
          />
        </>
      )}
      {indexes.length > 0 && (
        <>
          <h3>Indexes</h3>
          <Table
            label="Indexes"
            rows={indexes}
            columns={[
              { name: "Statement", text: true, show: (i) => <code>{i.sql.join("; ")}</code>, sort: (i) => i.name },
              { name: "Worth it", text: true, show: (i) => (i.recommended ? "yes" : "no"), sort: (i) => (i.recommended ? 0 : 1) },
              { name: "Why", text: true, show: (i) => i.reason, sort: (i) => i.reason },
              { name: "Size", show: (i) => bytes(i.size_bytes), sort: (i) => i.size_bytes },
            ]}
          />
        </>
      )}
      {tables.length > 0 && (
        <>
          <h3>Tables</h3>
          <Table
            label="Tables"
            rows={tables}
            columns={[
              { name: "Name", text: true, show: (t) => t.name, sort: (t) => t.name },
              { name: "Rows", show: (t) => (t.rows === null ? NOTHING : count(t.rows)), sort: (t) => t.rows },
              { name: "Size", show: (t) => bytes(t.size_bytes), sort: (t) => t.size_bytes },
              { name: "Index size", show: (t) => bytes(t.index_bytes), sort: (t) => t.index_bytes },
            ]}
          />
        </>
      )}
    </section>
  );
}
