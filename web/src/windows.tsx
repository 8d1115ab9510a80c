// The last part of a watch: its report comes from the server, which merges what was recorded in that time.

import { useEffect, useRef, useState } from "preact/hooks";
import { clock } from "./format";
import { address } from "./live";
import type { Page, Report } from "./model";

/** Names and lengths in seconds of the windows that servers keep. */
export const WINDOWS: [string, number][] = [
  ["1 m", 60],
  ["5 m", 300],
  ["15 m", 900],
  ["1 h", 3600],
];

/** A part of the watch that ends now; null is all of it. */
export interface Window {
  seconds: number;
  report: Report;
}

/** The window that is shown, asked for anew whenever there is something new. */
export function useWindow(page: Page): [Window | null, number | null, (seconds: number | null) => void] {
  const [seconds, choose] = useState<number | null>(null);
  const [shown, show] = useState<Window | null>(null);
  const wanted = useRef(seconds);
  wanted.current = seconds;
  useEffect(() => {
    if (seconds === null) return show(null);
    // What was seen last stays when the watch is over, and its server gone.
    if (!page.running) return;
    fetch(address("/api/summary", { window: String(seconds) }, location.search))
      .then((answer) => (answer.ok ? (answer.json() as Promise<Report>) : null))
      .then((report) => {
        // An answer that took its time may be about what is not chosen any more.
        if (report !== null && wanted.current === seconds) show({ seconds, report });
      })
      // The next second asks again.
      .catch(() => undefined);
  }, [seconds, page.running, page.report.run.elapsed_ms]);
  return [shown, seconds, choose];
}

export function WindowChoice({ page, seconds, choose, shown }: { page: Page; seconds: number | null; choose: (seconds: number | null) => void; shown: Window | null }) {
  const button = (name: string, value: number | null) => (
    <button key={name} type="button" aria-pressed={seconds === value} disabled={!page.running && value !== null && value !== shown?.seconds} onClick={() => choose(value)}>
      {name}
    </button>
  );
  return (
    <div class="zoom window" role="group" aria-label="Part of the watch shown">
      <span>{shown === null ? `All of ${clock(page.report.run.elapsed_ms)}` : `The last ${clock(shown.report.run.judged_ms)}`}</span>
      {button("All", null)}
      {WINDOWS.map(([name, value]) => button(name, value))}
    </div>
  );
}
