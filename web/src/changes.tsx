// Figures of two runs side by side: what has changed, by how much, and how sure that is.

import { NOTHING, count, plain, withUnit } from "./format";
import type { Change, Page } from "./model";
import { addressOf } from "./suite";
import { Table, type Column } from "./table";

/** Rows that are drawn before somebody asks for more. */
const ROWS = 100;
/** What is neither chance nor too small to matter comes first. */
const ORDER = ["regression", "improvement", "unclear", "unchanged"];
/** Half the width of the drawing of an interval, and its height. */
const [WIDTH, HEIGHT] = [60, 14];
/** No drawing shows more than a change to the fourfold or to a fourth. */
const MOST = Math.log(4);

/** A change, and the case it is of where there are several. */
export interface CaseChange extends Change {
  case?: { id: string; name: string };
}

/** The changes of a page and of its cases, those that matter first and the largest of them before the others. */
export function changesOf(page: Page): CaseChange[] {
  const ofCases = page.cases.flatMap(({ report }) => {
    const { id = "", name = "" } = report.case ?? {};
    return report.changes.map((change) => ({ ...change, case: { id, name: name || id } }));
  });
  const size = ({ negligible, ratio }: Change) => (negligible ? -1 : Math.abs(Math.log(ratio.value ?? 1)));
  const rank = ({ effect }: Change) => (ORDER.includes(effect) ? ORDER.indexOf(effect) : ORDER.length);
  return [...page.report.changes, ...ofCases].sort((a, b) => rank(a) - rank(b) || size(b) - size(a));
}

/** A ratio as a difference: 1.123 is `+12.3 %`. */
export function difference(ratio: number | null): string {
  if (ratio === null) return NOTHING;
  const percent = ((ratio - 1) * 100).toFixed(1);
  return `${Number(percent) > 0 ? "+" : ""}${Number(percent) === 0 ? "0.0" : percent.replace("-", "−")} %`;
}

function chance(p: number | null): string {
  return p !== null && p < 0.001 ? "< 0.001" : plain(p);
}

interface Props {
  title: string;
  /** The runs in the order of before and after. */
  names: [string, string];
  changes: CaseChange[];
  /** Smallest change that matters, a share; null where it is not told. */
  least: number | null;
}

export function Changes({ title, names, changes, least }: Props) {
  if (changes.length === 0) return null;
  const whole = Math.min(MOST, Math.max(least === null ? 0 : 2 * Math.log1p(least), ...changes.map(reach)));
  const ofCase: Column<CaseChange> = {
    name: "Case",
    text: true,
    show: (c) => c.case && <a href={addressOf(c.case.id)}>{c.case.name}</a>,
    sort: (c) => c.case?.name,
  };
  const within = ({ negligible, ratio }: Change) =>
    negligible || ratio.interval === null ? NOTHING : `${difference(ratio.interval[0])} to ${difference(ratio.interval[1])}`;
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">{title}</h2>
      <Table
        label="Changes"
        rows={changes}
        most={ROWS}
        columns={[
          { name: "Effect", text: true, show: (c) => <span class={`effect ${c.effect}`}>{c.effect}</span>, sort: (c) => ORDER.indexOf(c.effect) },
          ...(changes.some((c) => c.case) ? [ofCase] : []),
          { name: "Figure", text: true, show: (c) => <code>{c.subject}</code>, sort: (c) => c.subject },
          { name: "Before", title: names[0], show: (c) => <Value of={c} at="before" />, sort: (c) => c.before.value },
          { name: "After", title: names[1], show: (c) => <Value of={c} at="after" />, sort: (c) => c.after.value },
          { name: "Change", show: (c) => <b>{c.negligible ? "negligible" : difference(c.ratio.value)}</b>, sort: (c) => c.ratio.value },
          { name: "95 % interval", show: within, title: "Where the true change lies with 95 % confidence" },
          { name: "Drawn", text: true, show: (c) => <Drawn change={c} whole={whole} least={least} /> },
          { name: "p", show: (c) => chance(c.p_value), sort: (c) => c.p_value, title: "Probability of such a difference by chance, corrected for all that were compared" },
        ]}
      />
      {least !== null && <p class="note">Shaded in the drawings: changes that are too small to matter. The axis is logarithmic, and no change is in its middle.</p>}
    </section>
  );
}

/** A figure with what it rests on. */
function Value({ of: change, at }: { of: Change; at: "before" | "after" }) {
  const { value, interval, samples } = change[at];
  const range = interval === null ? "" : `${withUnit(interval[0], change.unit)} to ${withUnit(interval[1], change.unit)}, `;
  return <span title={`${range}${count(samples)} samples`}>{withUnit(value, change.unit)}</span>;
}

/** How far from no change the interval of a change reaches, as a logarithm. */
function reach({ negligible, ratio }: Change): number {
  if (negligible) return 0;
  const ends = [ratio.value, ...(ratio.interval ?? [])].map((end) => Math.abs(Math.log(end ?? 1)));
  return Math.max(0, ...ends.filter(Number.isFinite));
}

function Drawn({ change, whole, least }: { change: Change; whole: number; least: number | null }) {
  const { negligible, ratio, effect } = change;
  const at = (value: number) => Math.max(-1, Math.min(1, Math.log(value) / (whole || 1))) * (WIDTH - 3);
  const band = least === null ? 0 : at(1 + least);
  const middle = HEIGHT / 2;
  return (
    <svg class={`drawn effect ${effect}`} width={2 * WIDTH} height={HEIGHT} viewBox={`${-WIDTH} 0 ${2 * WIDTH} ${HEIGHT}`} aria-hidden="true">
      <rect class="band" x={-band} y={0} width={2 * band} height={HEIGHT} />
      <path class="none" d={`M0 0V${HEIGHT}`} />
      {!negligible && ratio.value !== null && (
        <>
          {ratio.interval && <path d={`M${at(ratio.interval[0])} ${middle}H${at(ratio.interval[1])}`} />}
          <circle cx={at(ratio.value)} cy={middle} r={3} />
        </>
      )}
    </svg>
  );
}
