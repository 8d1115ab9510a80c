// The page: a finished run from its own data, or a running one from the server that it came from.

import { Component, render, type ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./page.css";
import { Changes, changesOf } from "./changes";
import { began, ComparisonBox, Overlay } from "./comparison";
import { Counts, Endpoints, Errors } from "./endpoints";
import { clock, count, millis, some, words } from "./format";
import { Follower, type State } from "./live";
import { asReport, inOrder, isSuite, problemOf, underWay, type Page } from "./model";
import { OverTime } from "./over_time";
import { DatabaseTables, ServiceTables } from "./service";
import { Spread } from "./spread";
import { Cases, caseOf, Estimates } from "./suite";
import { Figures, Findings, Targets, VerdictBox } from "./verdict";
import { useWindow, WindowChoice } from "./windows";

const KINDS: Record<string, string> = { load: "Load test", test: "Performance tests", monitor: "Watch", db: "Database" };

const STATES: Record<State, string> = {
  connecting: "Connecting …",
  connected: "Live",
  reconnecting: "Reconnecting …",
  over: "Finished",
  lost: "Connection lost: the run has ended, or its server is gone. This is what was seen until then.",
};

/** Grows when the colours of the page change, so that pictures are drawn anew. */
function useTheme(): number {
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const next = () => setTheme((n) => n + 1);
    const print = (light: boolean) => () => {
      document.documentElement.classList.toggle("print", light);
      next();
    };
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", next);
    addEventListener("beforeprint", print(true));
    addEventListener("afterprint", print(false));
  }, []);
  return theme;
}

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => {
      setHash(location.hash);
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return hash;
}

function download(page: Page) {
  const text = JSON.stringify(asReport(page), null, 2);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "pulse-report.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function Head({ page, state, top }: { page: Page; state: State | null; top: Page }) {
  const { run, case: info } = page.report;
  const title = info?.name || run.name || "A run";
  const planned = run.planned_duration_ms;
  const elapsed = planned !== null && page.running ? `${clock(run.elapsed_ms)} of ${clock(planned)}` : millis(run.elapsed_ms);
  const facts = page.comparison ? ["Comparison of two runs"] : [
    KINDS[run.kind] ?? words(run.kind),
    run.service !== title ? run.service : "",
    began(run.started),
    elapsed,
    run.users > 0 ? some(run.users, "user") : "",
    run.warmup_ms > 0 ? `warm-up ${millis(run.warmup_ms)} (${some(run.warmup_requests, "request")}) left out` : "",
  ];
  return (
    <header>
      <div>
        <p class="brand">Pulse{page !== top && <a href="#">← all cases</a>}</p>
        <h1>{title}</h1>
        <p class="facts">{facts.filter((fact) => fact !== "").join(" · ")}</p>
      </div>
      <div class="actions">
        {state !== null && (
          <p class={`state ${state}`} role="status">
            {STATES[state]}
          </p>
        )}
        <button type="button" onClick={() => download(page)}>
          Download JSON
        </button>
      </div>
      {page.running && planned !== null && <progress max={planned} value={Math.min(run.elapsed_ms, planned)} aria-label="Part of the run that is done" />}
    </header>
  );
}

/** What this page and its cases are compared with, by name; two runs of one name stay two. */
function namesOf({ comparison }: Page): [string, string] {
  const [first, second] = comparison?.names ?? ["the baseline", "this run"];
  return first === second ? [`${first} (first)`, `${second} (second)`] : [first, second];
}

function Body({ page, top, theme }: { page: Page; top: Page; theme: number }) {
  const { comparison, before } = page;
  const names = namesOf(top);
  const changes = comparison ? changesOf(page) : changesOf({ ...page, cases: [] });
  const title = top.comparison ? "What has changed" : "Compared with the baseline";
  const differences = <Changes title={title} names={names} changes={changes} least={top.comparison?.min_effect ?? null} />;
  if (!before) return <main><Run page={page} theme={theme} differences={differences} /></main>;
  return (
    <main>
      {comparison && <ComparisonBox page={page} compared={{ ...comparison, names }} />}
      {differences}
      {comparison && <Cases cases={page.cases} />}
      <Overlay page={page} before={before} names={names} theme={theme} />
      <AllOf page={{ ...page, cases: comparison ? [] : page.cases }} name={names[1]} theme={theme} />
    </main>
  );
}

/** Everything about the second of two runs, for who asks. */
function AllOf({ page, name, theme }: { page: Page; name: string; theme: number }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="all" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>All of {name}</summary>
      {open && <Run page={page} theme={theme} differences={null} />}
    </details>
  );
}

function Run({ page, theme, differences }: { page: Page; theme: number; differences: ComponentChildren }) {
  const [selected, select] = useState<string | null>(null);
  const { report } = page;
  const now = underWay(page);
  const [latest, seconds, choose] = useWindow(page);
  const part = latest?.report ?? report;
  const hasWindows = report.run.kind === "monitor" && (page.running || seconds !== null);
  return (
    <>
      <VerdictBox page={page} />
      {hasWindows && <WindowChoice page={page} seconds={seconds} choose={choose} shown={latest} />}
      {!report.database && <Figures page={latest ? { ...page, report: part } : page} />}
      <Targets report={part} />
      <Cases cases={page.cases} />
      {differences}
      <Findings findings={report.findings} />
      {report.database && <DatabaseTables database={report.database} />}
      {!report.database && (
        <>
          {!isSuite(page) && <OverTime page={page} selected={selected} theme={theme} last={latest?.report.run.judged_ms} />}
          {now && <OverTime key={now.report.case?.id} page={now} selected={null} theme={theme} of={now.report.case?.name} />}
          <Endpoints report={part} selected={selected} select={select} />
          {latest === null && <Spread page={page} selected={selected} theme={theme} />}
          <Errors report={part} />
          <Estimates estimates={report.estimates} />
          {part.service && <ServiceTables service={part.service} />}
          <Counts report={part} />
        </>
      )}
    </>
  );
}

function Foot({ page }: { page: Page }) {
  const { run } = page.report;
  const { host } = run;
  return (
    <footer>
      Pulse {run.pulse_version}
      {host.cores > 0 && ` on ${host.os} ${host.arch} with ${some(host.cores, "core")}`}
      {run.workers > 0 && ` · ${some(run.workers, "worker")} · seed ${count(run.seed)}`}. This page asks nobody but its own server for
      anything.
    </footer>
  );
}

/** Damaged data must not leave an empty page. */
class Guard extends Component<{ children: ComponentChildren }, { problem: string | null }> {
  override state = { problem: null as string | null };

  override componentDidCatch(error: unknown) {
    console.error(error);
    this.setState({ problem: error instanceof Error ? error.message : String(error) });
  }

  override render() {
    if (this.state.problem === null) return this.props.children;
    return <Problem text={`The data of this page cannot be shown: ${this.state.problem}`} />;
  }
}

function Problem({ text }: { text: string }) {
  return (
    <main>
      <h1>Pulse</h1>
      <p class="warning" role="alert">
        {text}
      </p>
    </main>
  );
}

function App({ data }: { data: unknown }) {
  const live = data === null;
  const [page, setPage] = useState<Page | null>(null);
  const [state, setState] = useState<State>("connecting");
  const [problem, setProblem] = useState<string | null>(null);
  const theme = useTheme();
  const hash = useHash();
  useEffect(() => {
    if (!live) return;
    void new Follower({ page: setPage, state: setState, problem: setProblem }).start();
  }, []);
  const wrong = live ? null : problemOf(data);
  const whole = useMemo(() => (live || wrong !== null ? page : inOrder(data as Page)), [page]);
  const id = caseOf(hash);
  const shown = whole?.cases?.find((one) => one.report.case?.id === id) ?? whole;
  useEffect(() => {
    if (!shown || wrong !== null) return;
    const { verdict: judged, validity } = shown.report;
    const verdict = shown.comparison ? shown.comparison.effect : shown.running ? "running" : validity.state === "invalid" ? "invalid" : (judged ?? "");
    document.title = [words(verdict).toUpperCase(), shown.report.case?.name || shown.report.run.name, "Pulse"].filter((part) => part !== "").join(" · ");
  });
  if (wrong !== null) return <Problem text={wrong} />;
  if (!whole || !shown) return problem === null ? <p class="waiting">Waiting for the first figures …</p> : <Problem text={problem} />;
  return (
    <>
      <Head page={shown} top={whole} state={live ? state : null} />
      <Body key={id ?? ""} page={shown} top={whole} theme={theme} />
      <Foot page={shown} />
    </>
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return "damaged";
  }
}

const place = document.getElementById("page");
if (place) {
  const data = parsed(document.getElementById("pulse-data")?.textContent ?? "");
  render(
    <Guard>
      <App data={data} />
    </Guard>,
    place,
  );
}
